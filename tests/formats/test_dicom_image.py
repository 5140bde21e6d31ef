"""DICOM images come out as pydicom gives them after its tables, or as an error: none crashes or is silently wrong."""

from __future__ import annotations

import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from medpipe.formats.dicom import open_dicom
from medpipe.formats.dicom_identity import reasons
from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image

BUNDLED = Path(pydicom.data.__file__).parent
SHARED = Path(os.environ.get("MEDPIPE_DATA", "/nowhere")) / "dicom"
EVERY = sorted(path for folder in (BUNDLED, SHARED) for path in folder.rglob("*") if path.suffix in (".dcm", ""))
FILES = [path for path in EVERY if path.is_file() and path.name not in ("LICENSE", "README")]


def truth(path: Path) -> tuple[Dataset, np.ndarray] | None:
    """The data set and its frames as pydicom decodes them; None where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(path, force=True)
        try:
            pixels = data.pixel_array
        except Exception:
            return None
    return data, pixels if int(data.get("NumberOfFrames") or 1) > 1 else pixels[None]


def shown(values: np.ndarray, data: Dataset) -> np.ndarray | None:
    """0 to 255 by pydicom's own window or table; None where the file has neither."""
    if "WindowCenter" not in data and "VOILUTSequence" not in data:
        return None
    out = np.stack([apply_voi_lut(one, data) for one in values]).astype(float)
    low, high = (-(1 << (data.BitsStored - 1)), 1 << (data.BitsStored - 1)) if data.PixelRepresentation else (
        0, 1 << data.BitsStored)  # fmt: skip
    slope, intercept = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
    low, high = low * slope + intercept, (high - 1) * slope + intercept
    grey = (out - low) / (high - low) * 255
    return 255 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_read_as_pydicom_reads_it_or_is_an_error(path: Path) -> None:
    known = truth(path)
    try:
        found = {voi: open_dicom(str(path), voi) for voi in ("none", "file")}
        if not isinstance(found["none"][0], Image):
            return
        values, grey = (np.stack([one.read() for one in found[voi]]) for voi in ("none", "file"))
    except FormatError as error:
        assert str(error) and "\n" not in str(error)
        # Where pydicom reads it, so do we.
        assert known is None, error
        return
    assert known is not None and all(one.shape == values.shape[1:] for one in found["none"])
    data, frames = known
    assert values.dtype == found["none"][0].dtype and grey.dtype == np.uint8
    if data.PhotometricInterpretation == "PALETTE COLOR":
        np.testing.assert_array_equal(values, [apply_color_lut(one, data) for one in frames])
    elif frames.ndim == 4:
        plain = data.PhotometricInterpretation == "RGB"
        assert not plain or np.array_equal(values, frames)
    else:
        expected = np.stack([apply_modality_lut(one, data) for one in frames])
        np.testing.assert_allclose(values, expected, rtol=1e-6)
        if (levels := shown(expected, data)) is not None:
            np.testing.assert_allclose(grey, levels, atol=0.51)


def write(path: Path, stored: np.ndarray, syntax: str = ExplicitVRLittleEndian, **elements: object) -> str:
    """A small image with these stored values [frames, rows, columns], of 16 bits."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID, data.file_meta.MediaStorageSOPClassUID = syntax, CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    data.SOPClassUID, data.Modality, data.PatientName = CTImageStorage, "CR", "Somebody^Known"
    data.Rows, data.Columns, data.SamplesPerPixel = stored.shape[1], stored.shape[2], 1
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    if len(stored) > 1:
        data.NumberOfFrames = len(stored)
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    data.PixelData = stored.astype(f"{order}u2").tobytes()
    data["PixelData"].VR = "OW"
    data.save_as(path, enforce_file_format=True)
    return str(path)


def counts(frames: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4096, (frames, 5, 7)).astype(np.uint16)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_bits_beyond_the_stored_ones_are_cut_off(tmp_path: Path, syntax: str) -> None:
    stored = counts()
    path = write(tmp_path / "x.dcm", stored | 0xF000, syntax)
    np.testing.assert_array_equal(open_dicom(path, "none")[0].read(), stored[0])


def test_signed_values_keep_their_sign(tmp_path: Path) -> None:
    stored = counts()
    path = write(tmp_path / "x.dcm", stored, PixelRepresentation=1)
    expected = np.where(stored[0] > 2047, stored[0].astype(int) - 4096, stored[0])
    np.testing.assert_array_equal(open_dicom(path, "none")[0].read(), expected)


def test_a_high_bit_that_is_not_the_lowest_possible_is_shifted(tmp_path: Path) -> None:
    stored = counts()
    path = write(tmp_path / "x.dcm", stored << 4, HighBit=15)
    np.testing.assert_array_equal(open_dicom(path, "none")[0].read(), stored[0])


def test_values_after_the_rescaling_are_kept_whole_where_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm", counts(), RescaleSlope="1", RescaleIntercept="-1024")
    whole = open_dicom(path, "none")[0]
    assert whole.dtype == np.int16
    np.testing.assert_array_equal(whole.read(), counts()[0].astype(int) - 1024)
    path = write(tmp_path / "y.dcm", counts(), RescaleSlope="0.5", RescaleIntercept="0")
    half = open_dicom(path, "none")[0]
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half.read(), counts()[0] / 2)


def test_one_picture_in_either_photometric_interpretation_looks_the_same(tmp_path: Path) -> None:
    window = {"WindowCenter": "1500", "WindowWidth": "1000"}
    one = open_dicom(write(tmp_path / "1.dcm", counts(), **window))[0]
    turned = {"WindowCenter": "2596", "WindowWidth": "1000", "PhotometricInterpretation": "MONOCHROME1"}
    other = open_dicom(write(tmp_path / "2.dcm", 4095 - counts(), **turned))[0]
    assert np.abs(one.read().astype(int) - other.read()).max() <= 1
    assert other.pixels["inverted"] and not one.pixels["inverted"]


def test_without_a_window_the_stored_bits_are_shown_and_of_ct_soft_tissue(tmp_path: Path) -> None:
    plain = open_dicom(write(tmp_path / "1.dcm", counts()))[0]
    assert plain.pixels["voi"] == {"kind": "range", "low": 0.0, "high": 4095.0, "from": "stored bits"}
    np.testing.assert_array_equal(plain.read(), np.rint(counts()[0] / 4095 * 255))
    scan = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024"}
    scanned = open_dicom(write(tmp_path / "2.dcm", counts(), **scan))[0]
    assert (scanned.pixels["voi"]["center"], scanned.pixels["voi"]["width"]) == (40, 400)
    assert "the file has no window" in scanned.pixels["voi"]["from"]
    lung = open_dicom(write(tmp_path / "2.dcm", counts(), **scan), "lung")[0]
    assert lung.pixels["voi"]["from"] == "preset lung" and not np.array_equal(lung.read(), scanned.read())


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_table_of_values_is_preferred_to_a_window(tmp_path: Path, syntax: str) -> None:
    table = Dataset()
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    table.LUTDescriptor, table.LUTData = [16, 100, 8], np.arange(0, 256, 16).astype(f"{order}u2").tobytes()
    window = {"WindowCenter": "5", "WindowWidth": "6"}
    path = write(tmp_path / "x.dcm", counts() % 128, syntax, VOILUTSequence=[table], **window)
    expected = np.rint(np.clip((counts()[0] % 128).astype(int) - 100, 0, 15) * 16 / 255 * 255)
    np.testing.assert_array_equal(open_dicom(path)[0].read(), expected)


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ({"WindowCenter": "40", "WindowWidth": "0"}, "bad-window"),
        ({"WindowCenter": "40", "WindowWidth": "9", "VOILUTFunction": "CUBIC"}, "bad-window"),
        ({"RescaleSlope": "0", "RescaleIntercept": "1"}, "bad-header"),
        ({"BitsStored": 20}, "bad-header"),
        ({"HighBit": 3}, "bad-header"),
        ({"SamplesPerPixel": 2}, "unsupported"),
        ({"Rows": 0}, "bad-header"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, elements: dict[str, object], kind: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_dicom(write(tmp_path / "x.dcm", counts(), **elements))[0].read()
    assert caught.value.kind == kind and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "keep", "said"),
    [
        ("RG3_J2KI.dcm", 1 / 2, r"\(JPEG 2000 Image Compression, 1.2.840.10008.1.2.4.91\) end early"),
        ("JPEG-LL.dcm", 2 / 3, r"\(JPEG Lossless.*\) end early"),
        ("OBXXXX1A_rle.dcm", 2 / 3, r"\(RLE Lossless, 1.2.840.10008.1.2.5\) end early"),
        ("HTJ2K_08_RGB.dcm", 2 / 3, "end early"),
        ("meta_missing_tsyntax.dcm", 1, "holds pixels, and does not say how many rows"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_damaged(tmp_path: Path, name: str, keep: float, said: str) -> None:
    source = next((path for path in FILES if path.name == name), None)
    if source is None:
        pytest.skip(f"MEDPIPE_DATA has no dicom/{name}")
    raw = source.read_bytes()
    (tmp_path / "x.dcm").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(FormatError, match=said):
        open_dicom(str(tmp_path / "x.dcm"))[0].read()


def test_colours_that_nobody_can_tell_are_named(tmp_path: Path) -> None:
    tables = {f"{colour}PaletteColorLookupTable{half}": value for colour in ("Red", "Green")
              for half, value in (("Descriptor", [256, 0, 8]), ("Data", bytes(256)))}  # fmt: skip
    for name, said in (("XYZ", "photometric interpretation is none"), ("PALETTE COLOR", "lacks its BluePalette")):
        elements = tables | {"PhotometricInterpretation": name}
        with pytest.raises(FormatError, match=said):
            open_dicom(write(tmp_path / "x.dcm", counts(), **elements))[0].read()


def test_a_frame_that_ends_early_is_an_error_and_those_before_it_are_not(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "x.dcm", counts(3)))
    path.write_bytes(path.read_bytes()[:-20])
    first, second, third = open_dicom(str(path), "none")
    np.testing.assert_array_equal(np.stack([first.read(), second.read()]), counts(3)[:2])
    with pytest.raises(FormatError, match="50 bytes, its header promises 70"):
        third.read()


@pytest.mark.parametrize("name", ["emri_small.dcm", "emri_small_RLE.dcm"])
def test_frames_that_are_only_promised_are_one_error(tmp_path: Path, name: str) -> None:
    source = next((path for path in FILES if path.name == name), None)
    if source is None:
        pytest.skip(f"MEDPIPE_DATA has no dicom/{name}")
    data = pydicom.dcmread(source)
    data.NumberOfFrames = 1_000_000
    data.save_as(tmp_path / "x.dcm")
    found = open_dicom(str(tmp_path / "x.dcm"))
    assert len(found) == 11
    with pytest.raises(FormatError, match="promises 1000000 frames and holds 10 at most") as caught:
        found[-1].read()
    assert caught.value.kind == "truncated"
    np.testing.assert_array_equal(found[9].read(), open_dicom(str(source))[9].read())


@pytest.mark.parametrize(("kept", "count"), [((0, 1), 2), ((0, 1, 1, 2), 4)])
def test_frames_that_nothing_tells_apart_are_one_error(tmp_path: Path, kept: tuple[int, ...], count: int) -> None:
    data = pydicom.dcmread(write(tmp_path / "x.dcm", counts(3)))
    data.compress(RLELossless)
    whole = list(generate_frames(data.PixelData, number_of_frames=3))
    data.PixelData = encapsulate([whole[number] for number in kept], has_bot=False)
    data.save_as(tmp_path / "x.dcm")
    with pytest.raises(FormatError, match=f"promises 3 frames; its pixels are cut into {count} pieces, and nothing"):
        open_dicom(str(tmp_path / "x.dcm"))
    # Each with its own offset they are apart.
    data.PixelData = encapsulate([whole[number] for number in kept], has_bot=True)
    data.save_as(tmp_path / "x.dcm")
    np.testing.assert_array_equal(open_dicom(str(tmp_path / "x.dcm"), "none")[1].read(), counts(3)[1])


def test_pieces_of_frames_are_put_together_where_their_ends_are_marked(tmp_path: Path) -> None:
    data = pydicom.dcmread(write(tmp_path / "x.dcm", counts(3)))
    data.compress(JPEGLSLossless)
    whole = list(generate_frames(data.PixelData, number_of_frames=3))
    data.PixelData = encapsulate(whole, fragments_per_frame=2, has_bot=False)
    data.save_as(tmp_path / "x.dcm")
    found = np.stack([frame.read() for frame in open_dicom(str(tmp_path / "x.dcm"), "none")])
    np.testing.assert_array_equal(found, counts(3))


def test_colours_of_one_sample_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="RGB of 1 samples"):
        open_dicom(write(tmp_path / "x.dcm", counts(), PhotometricInterpretation="RGB"))[0].read()


def test_a_deflated_file_is_read_whole_or_is_one_error(tmp_path: Path) -> None:
    data = pydicom.dcmread(write(tmp_path / "x.dcm", counts(3)))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "x.dcm")
    found = np.stack([frame.read() for frame in open_dicom(str(tmp_path / "x.dcm"), "none")])
    np.testing.assert_array_equal(found, counts(3))
    raw = (tmp_path / "x.dcm").read_bytes()
    for keep in (len(raw) * 3 // 4, len(raw) - 9):
        (tmp_path / "x.dcm").write_bytes(raw[:keep])
        with pytest.raises(FormatError, match="the deflated DICOM data set ends early"):
            open_dicom(str(tmp_path / "x.dcm"))


def test_frames_deflated_one_by_one_are_read_where_pydicom_does(tmp_path: Path) -> None:
    data = pydicom.dcmread(write(tmp_path / "x.dcm", counts()))
    deflate = zlib.compressobj(wbits=-15)
    data.PixelData = encapsulate([deflate.compress(data.PixelData) + deflate.flush()])
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    data.save_as(tmp_path / "x.dcm")
    named = (tmp_path / "x.dcm").read_bytes().replace(JPEGLSLossless.encode(), b"1.2.840.10008.1.2.8.1\0")
    (tmp_path / "x.dcm").write_bytes(named)
    try:
        np.testing.assert_array_equal(open_dicom(str(tmp_path / "x.dcm"), "none")[0].read(), counts()[0])
    except FormatError as error:
        assert "Deflated Image Frame Compression, 1.2.840.10008.1.2.8.1, is read with pydicom 3.1" in str(error)


def test_of_a_file_of_gigabytes_only_the_frame_that_is_asked_for_is_read(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "x.dcm", np.zeros((1, 1024, 1024), np.uint16), NumberOfFrames=2000))
    size = 2000 * 1024 * 1024 * 2
    raw = path.read_bytes()
    place = raw.rindex(b"\xe0\x7f\x10\x00OW\x00\x00") + 8
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(size.to_bytes(4, "little"))
        # Holes take no room on the disk.
        stream.truncate(place + 4 + size)
        stream.seek(place + 4 + size - 2)
        stream.write(b"\x07\x00")
    frames = open_dicom(str(path), "none")
    assert len(frames) == 2000 and frames[-1].read()[-1, -1] == 7


def test_memory_does_not_grow_with_the_frames_that_were_shown(tmp_path: Path) -> None:
    import tracemalloc

    frames = open_dicom(write(tmp_path / "x.dcm", counts(400), WindowCenter="900", WindowWidth="800"))
    frames[0].read()
    tracemalloc.start()
    for frame in frames:
        frame.read()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A table of its own for each would be 64 KiB.
    assert grown < 400 * 4096


def test_of_a_person_only_the_names_of_elements_come_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm", counts(), PatientID="77", BurnedInAnnotation="YES", InstitutionName="")
    image = open_dicom(path)[0]
    assert image.identity is not None
    assert image.identity() == {
        "burned_in": "yes", "recognizable": "unknown", "deidentified": "unknown", "private": 0,
        "tags": {"numbers": ["PatientID"], "people": ["PatientName"],
                 "uids": ["MediaStorageSOPInstanceUID", "SOPInstanceUID"]},
    }  # fmt: skip


IDENTIFYING = {"ContentCreatorName": "DOE^JOHN", "VisitComments": "Doe", "RequestedProcedureComments": "Doe",
               "StudyDescription": "Doe", "ClinicalTrialSubjectID": "7", "StudyDate": "20200101", "PatientAge": "050Y",
               "AcquisitionTime": "101010", "StudyInstanceUID": "1.2.3", "DeviceUID": "1.2.4"}  # fmt: skip


@pytest.mark.parametrize("keyword", IDENTIFYING)
def test_each_kind_of_element_that_the_profile_removes_is_named(tmp_path: Path, keyword: str) -> None:
    clean = {"PatientName": "", "PatientID": None, "PatientIdentityRemoved": "YES"}
    held, empty = (
        open_dicom(write(tmp_path / "x.dcm", counts(), **clean | {keyword: value}))[0].identity()
        for value in (IDENTIFYING[keyword], "")
    )
    assert any(keyword in names for names in held["tags"].values())
    assert (keyword in reasons(held)) != keyword.endswith("UID") and reasons(empty) == []


def test_an_element_that_is_damaged_is_named_and_its_value_is_not_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = Path(
        write(tmp_path / "x.dcm", counts(), PatientID="77", StudyInstanceUID="1.2.3", PatientIdentityRemoved="NO")
    )
    raw = path.read_bytes()
    # Of an unknown type, and with a letter where none may be.
    path.write_bytes(raw.replace(b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00QQ").replace(b"1.2.3\0", b"1.2,3\0"))
    with warnings.catch_warnings(action="error"):
        facts = open_dicom(str(path))[0].identity()
    assert facts["tags"]["numbers"] == ["PatientID"] and "StudyInstanceUID" in facts["tags"]["uids"]
    assert facts["deidentified"] == "no" and capfd.readouterr().err == ""


def test_private_elements_may_identify(tmp_path: Path) -> None:
    data = pydicom.dcmread(write(tmp_path / "x.dcm", counts(), PatientName="", PatientIdentityRemoved="YES"))
    data.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "DOE^JOHN")
    data.save_as(tmp_path / "x.dcm")
    assert reasons(open_dicom(str(tmp_path / "x.dcm"))[0].identity()) == ["2 private elements"]


def test_functional_groups_give_spacing_rescaling_and_windows_of_each_frame(tmp_path: Path) -> None:
    def item(**elements: object) -> Dataset:
        made = Dataset()
        for keyword, value in elements.items():
            setattr(made, keyword, value)
        return made

    own = [
        item(FrameVOILUTSequence=[item(WindowCenter=str(center), WindowWidth="100")],
             PixelValueTransformationSequence=[item(RescaleSlope="1", RescaleIntercept=str(-center))])
        for center in (10, 20)
    ]  # fmt: skip
    shared = [item(PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25])])]
    path = write(tmp_path / "x.dcm", counts(2), PerFrameFunctionalGroupsSequence=own,
                 SharedFunctionalGroupsSequence=shared)  # fmt: skip
    first, second = open_dicom(path, "none")
    assert first.spacing == (0.5, 0.25)
    np.testing.assert_array_equal(second.read(), counts(2)[1].astype(int) - 20)
    assert [one.pixels["voi"]["center"] for one in open_dicom(path)] == [10, 20]

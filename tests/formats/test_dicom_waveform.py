"""DICOM waveforms read as pydicom reads them, and damage is one clear line."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.waveforms import multiplex_array

from medpipe.formats.dicom import open_dicom
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import STANDARD_12

REAL = get_testdata_file("waveform_ecg.dcm")


def test_the_real_recording_is_read_as_pydicom_reads_it() -> None:
    found = open_dicom(REAL)
    data = pydicom.dcmread(REAL)
    assert [one.said for one in found] == [{"group": "rhythm"}, {"group": "median beat"}]
    for index, one in enumerate(found):
        assert one.leads == list(STANDARD_12) and one.units == ["mV"] * 12 and one.fs == 1000
        truth = multiplex_array(data, index, as_raw=False).T / 1000
        np.testing.assert_allclose(one.read(0, one.samples), truth, atol=1e-6)
        np.testing.assert_allclose(one.read(100, 300), truth[:, 100:300], atol=1e-6)


def changed(tmp_path: Path, change: object) -> str:
    data = pydicom.dcmread(REAL)
    del data.WaveformSequence[1]
    change(data, data.WaveformSequence[0])
    path = tmp_path / "x.dcm"
    data.save_as(path)
    return str(path)


def test_counts_and_gain_are_the_physical_values(tmp_path: Path) -> None:
    def baseline(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        group.ChannelDefinitionSequence[3].ChannelBaseline = "12.5"

    found = open_dicom(changed(tmp_path, baseline))[0]
    counts = found.read_digital(0, 500)
    physical = (counts - np.array(found.baseline)[:, None]) / np.array(found.gain)[:, None]
    np.testing.assert_allclose(physical, found.read(0, 500), atol=1e-6)
    assert found.baseline[3] == -10


def test_padding_is_nan(tmp_path: Path) -> None:
    def pad(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        raw = np.frombuffer(group.WaveformData, "<i2").copy()
        raw[: 12 * 50] = -32768
        group.WaveformData = raw.tobytes()
        group.add_new("WaveformPaddingValue", "OW", b"\x00\x80")

    found = open_dicom(changed(tmp_path, pad))[0]
    assert np.isnan(found.read(0, 60)).sum() == 12 * 50


def test_mdc_codes_name_leads_and_no_sensitivity_means_no_unit(tmp_path: Path) -> None:
    def rename(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        group.ChannelDefinitionSequence[0].ChannelSourceSequence[0].CodeValue = "MDC_ECG_LEAD_V3R"
        for channel in group.ChannelDefinitionSequence:
            del channel.ChannelSensitivity

    found = open_dicom(changed(tmp_path, rename))[0]
    assert found.leads[0] == "V3R" and found.units == ["unknown"] * 12 and "units" in found.said


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data, group: setattr(group, "WaveformData", b"\0" * 99), "truncated"),
        (lambda data, group: setattr(group, "SamplingFrequency", "0"), "bad-rate"),
        (lambda data, group: setattr(group, "NumberOfWaveformSamples", 0), "empty"),
        (lambda data, group: delattr(group, "ChannelDefinitionSequence"), "bad-header"),
        (lambda data, group: delattr(data, "WaveformSequence"), "no-pixels"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: object, kind: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_dicom(changed(tmp_path, change))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("code", "meaning", "lead"),
    [
        ("2:63", "", "aVL"),
        ("5.6.3-9-66", "Lead V8", "V8"),
        ("2:16", "Lead X", "Vx"),
        ("X-1", "Lead V2 (precordial)", "V2"),
        ("X-1", "Derived Lead I", "Derived Lead I"),
        ("", "", "channel 1"),
    ],
)
def test_leads_are_named_by_code_and_else_by_meaning(tmp_path: Path, code: str, meaning: str, lead: str) -> None:
    def rename(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        source = group.ChannelDefinitionSequence[0].ChannelSourceSequence[0]
        source.CodeValue, source.CodeMeaning = code, meaning

    assert open_dicom(changed(tmp_path, rename))[0].leads[:2] == [lead, "II"]


def test_a_channel_without_a_source_has_its_label(tmp_path: Path) -> None:
    def label(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        del group.ChannelDefinitionSequence[0].ChannelSourceSequence
        group.ChannelDefinitionSequence[0].ChannelLabel = "LEAD_AVR"

    assert open_dicom(changed(tmp_path, label))[0].leads[0] == "aVR"


@pytest.mark.parametrize(
    ("bits", "kind", "dtype"), [(8, "SB", "i1"), (8, "UB", "u1"), (16, "SS", "<i2"), (16, "US", "<u2")]
)
def test_every_kind_of_sample_is_read_as_pydicom_reads_it(tmp_path: Path, bits: int, kind: str, dtype: str) -> None:
    def retype(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        group.WaveformBitsAllocated = group.WaveformBitsStored = bits
        group.WaveformSampleInterpretation = kind
        for number, channel in enumerate(group.ChannelDefinitionSequence):
            channel.WaveformBitsStored = bits
            channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = str(2 + number), "0.5"
        counts = np.arange(12 * 10_000).reshape(10_000, 12) * 7
        group.WaveformData = counts.astype(dtype).tobytes()

    path = changed(tmp_path, retype)
    found, truth = open_dicom(path)[0], multiplex_array(pydicom.dcmread(path), 0, as_raw=False).T / 1000
    np.testing.assert_allclose(found.read(0, 10_000), truth, atol=1e-5)
    low = 0 if kind[0] == "U" else -(2 ** (bits - 1))
    np.testing.assert_allclose(found.adc_range[1], np.array([low, low + 2**bits - 1]) * 3 * 0.5 / 1000)


def test_skew_is_said(tmp_path: Path) -> None:
    def skew(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        group.ChannelDefinitionSequence[2].ChannelSampleSkew = "0.5"

    assert open_dicom(changed(tmp_path, skew))[0].said["skew_samples"] == [0, 0, 0.5] + [0] * 9


def test_a_waveform_of_another_kind_is_no_ecg(tmp_path: Path) -> None:
    def voice(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.4.1"

    with pytest.raises(FormatError) as caught:
        open_dicom(changed(tmp_path, voice))
    assert caught.value.kind == "not-an-ecg"


def test_pydicoms_own_settings_are_left_alone() -> None:
    before = pydicom.config.settings.reading_validation_mode
    open_dicom(REAL)
    assert pydicom.config.settings.reading_validation_mode == before


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"])
def test_what_is_no_dicom_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.dcm").write_bytes(content)
    with pytest.raises(FormatError):
        open_dicom(str(tmp_path / "x.dcm"))


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_short_says_so(tmp_path: Path, part: float) -> None:
    raw = Path(REAL).read_bytes()
    (tmp_path / "x.dcm").write_bytes(raw[: int(part * len(raw))])
    with pytest.raises(FormatError):
        open_dicom(str(tmp_path / "x.dcm"))


def test_big_endian_samples_are_turned(tmp_path: Path) -> None:
    def turn(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
        group.WaveformData = np.frombuffer(group.WaveformData, "<i2").astype(">i2").tobytes()

    assert pydicom.dcmread(REAL).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    data = pydicom.dcmread(REAL)
    turn(data, data.WaveformSequence[0])
    path = tmp_path / "x.dcm"
    pydicom.filewriter.dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)
    truth = open_dicom(REAL)[0].read(0, 1000)
    np.testing.assert_array_equal(open_dicom(str(path))[0].read(0, 1000), truth)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(0, 6000), st.binary(min_size=1, max_size=6), st.booleans())
def test_a_damaged_file_never_crashes(tmp_path: Path, place: int, junk: bytes, cut: bool) -> None:
    raw = bytearray(Path(REAL).read_bytes()[:60_000] if cut else Path(REAL).read_bytes())
    raw[place : place + len(junk)] = junk
    path = tmp_path / "x.dcm"
    path.write_bytes(raw)
    try:
        for one in open_dicom(str(path)):
            one.read(0, one.samples)
    except FormatError:
        return
    assert not cut

"""Volumes come out as nibabel gives them, however the file stores them, and a bad file says what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import scans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medpipe.formats.errors import FormatError
from medpipe.formats.nifti_series import open_nifti
from medpipe.formats.registry import open_series
from medpipe.formats.series import repetition_time
from medpipe.formats.sniff import sniff

KINDS = ("u1", "i1", "i2", "u2", "i4", "i8", "f4", "f8")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    order=st.sampled_from("<>"),
    version=st.sampled_from([1, 2]),
    slope=st.sampled_from([None, 0.0, 1.0, 0.0754, -2.5]),
    inter=st.sampled_from([0.0, -17.25]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    shape=st.tuples(*[st.integers(1, 5)] * 4),
    seed=st.integers(0, 2**16),
)
def test_every_way_of_storing_a_run_reads_as_nibabel_reads_it(
    tmp_path: Path, kind: str, order: str, version: int, slope: float | None, inter: float, suffix: str, shape, seed
) -> None:
    data = np.random.default_rng(seed).integers(-90, 90, shape).astype(kind)
    scaling = {"slope": slope, "inter": inter} if slope is not None else {}
    path = scans.write_scan(tmp_path / f"x{suffix}", data, version=version, order=order, **scaling)
    series, image = open_nifti(str(path)), nibabel.load(path)
    assert series.shape == shape and series.tr == 2.0
    np.testing.assert_array_equal(series.facts["affine"], image.affine)
    np.testing.assert_allclose(series.read(), image.get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(series.read(1, 3), image.get_fdata()[..., 1:3], rtol=1e-6)


@pytest.mark.parametrize(("tr", "unit", "expected"), [(2.0, "sec", 2), (1500, "msec", 1.5), (0.72, "unknown", 0.72)])
def test_the_repetition_time_is_in_seconds(tmp_path: Path, tr: float, unit: str, expected: float) -> None:
    series = open_nifti(str(scans.write_scan(tmp_path / "x.nii", scans.values(3), tr=tr, unit=unit)))
    assert repetition_time(series, None) == (pytest.approx(expected, abs=1e-6), "header")


@pytest.mark.parametrize(
    ("tr", "said"),
    [(2000, "2000 s, which looks like ms: give --tr 2"), (0, "TR of 0: give --tr"), (0.002, "too short"),
     (-2.0, "-2 s"), (np.nan, "nan s")],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_a_repetition_time_that_is_none_is_told(tmp_path: Path, tr: float, said: str, version: int) -> None:
    path = scans.write_scan(tmp_path / "x.nii", scans.values(3), tr=1.0, version=version)
    image = nibabel.load(path)
    header, content = image.header.copy(), bytearray(path.read_bytes())
    header["pixdim"][4] = tr
    content[: len(header.binaryblock)] = header.binaryblock
    path.write_bytes(bytes(content))
    series = open_nifti(str(path))
    with pytest.raises(FormatError, match=said) as caught:
        repetition_time(series, None)
    assert caught.value.kind == "bad-tr" and repetition_time(series, 2.0) == (2.0, "option")


def read(path: Path) -> None:
    for _ in open_series(str(path), sniff(str(path))).volumes():
        pass


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_run_that_ends_early_says_after_how_many_volumes(tmp_path: Path, suffix: str) -> None:
    path = scans.write_scan(tmp_path / f"x{suffix}", np.random.default_rng(0).random((9, 9, 9, 12)).astype("f4"))
    whole = path.read_bytes()
    for share in (0.3, 0.7, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(FormatError, match="names 12 volumes, the file") as caught:
            read(path)
        assert caught.value.kind == "truncated"


def test_one_frame_that_is_missing_is_told(tmp_path: Path) -> None:
    path = scans.write_scan(tmp_path / "x.nii", scans.values(20))
    path.write_bytes(path.read_bytes()[: -np.prod(scans.SHAPE) * 2])
    with pytest.raises(FormatError, match="the header names 20 volumes, the file holds 19"):
        read(path)


@pytest.mark.parametrize("place", [-5, -1, -2000])
def test_a_gzip_file_that_was_altered_is_damaged(tmp_path: Path, place: int) -> None:
    path = scans.write_scan(tmp_path / "x.nii.gz", scans.values(20))
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError) as caught:
        read(path)
    assert caught.value.kind in ("damaged", "truncated")


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    cases = {
        "not-4d": scans.write_scan(tmp_path / "3.nii", scans.values(1)[..., 0]),
        "unsupported": scans.write_scan(tmp_path / "c.nii", scans.values(3).astype("c8")),
    }
    for kind, path in cases.items():
        with pytest.raises(FormatError) as caught:
            read(path)
        assert caught.value.kind == kind
    trailing = scans.write_scan(tmp_path / "5.nii", scans.values(4)[..., None])
    assert open_nifti(str(trailing)).shape == (*scans.SHAPE, 4)
    nowhere = scans.write_scan(tmp_path / "n.nii", scans.values(3))
    with nowhere.open("r+b") as file:
        file.seek(280)
        file.write(b"\0" * 48)
    with pytest.raises(FormatError, match="affine"):
        read(nowhere)


def test_pointers_in_place_of_data_say_what_to_run(tmp_path: Path) -> None:
    lfs = tmp_path / "a.nii.gz"
    lfs.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    annex = tmp_path / "b.nii.gz"
    annex.write_text("/annex/objects/MD5E-s9--0.nii.gz\n")
    link = tmp_path / "c.nii.gz"
    os.symlink("../.git/annex/objects/x/y/MD5E-s9--0.nii.gz", link)
    for path, said in ((lfs, "git lfs pull"), (annex, "git annex get"), (link, "git annex get")):
        with pytest.raises(FormatError, match=said):
            read(path)


def test_a_damaged_header_never_escapes_and_nothing_is_said_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = scans.write_scan(tmp_path / "x.nii", scans.values(3))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(4, 348, 3):
            damaged[place] = int(rng.integers(0, 256))
        path.write_bytes(bytes(damaged))
        try:
            series = open_nifti(str(path))
            if np.prod(series.shape) * series.dtype.itemsize < 1e7:
                read(path)
        except FormatError:
            continue
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
def test_real_volumes_are_no_runs() -> None:
    folder = Path(os.environ["MEDPIPE_DATA"]) / "nifti"
    for path in sorted(folder.glob("*.nii.gz")):
        with pytest.raises(FormatError, match="3 dimensions"):
            open_series(str(path), sniff(str(path)))

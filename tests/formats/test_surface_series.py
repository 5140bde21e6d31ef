"""Grayordinates and vertices come out as nibabel gives them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel import cifti2

from medpipe.formats.errors import FormatError
from medpipe.formats.registry import open_series
from medpipe.formats.series import repetition_time
from medpipe.formats.sniff import sniff


def write_dense(path: Path, times: object, data: np.ndarray) -> Path:
    """A dense file of 30 vertices and 8 voxels."""
    left = cifti2.BrainModelAxis.from_mask(np.arange(40) % 4 != 0, name="CIFTI_STRUCTURE_CORTEX_LEFT")
    inside = np.zeros((4, 4, 4), bool)
    inside[1:3, 1:3, 1:3] = True
    below = cifti2.BrainModelAxis.from_mask(inside, name="thalamus_left", affine=np.diag([2.0, 2, 2, 1]))
    nibabel.save(cifti2.Cifti2Image(data, (times, left + below)), path)
    return path


def test_a_dense_series_is_read_by_grayordinates(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(0, 1, (12, 38)).astype("f4")
    path = write_dense(tmp_path / "x.dtseries.nii", cifti2.SeriesAxis(0, 0.72, 12), data)
    series = open_series(str(path), sniff(str(path)))
    assert series.format == "cifti" and series.shape == (38, 12) and repetition_time(series, None)[0] == 0.72
    np.testing.assert_array_equal(series.columns(5, 33), data[:, 5:33])
    np.testing.assert_array_equal(series.read(2, 4), data[2:4].T)
    assert [one["name"] for one in series.facts["structures"]] == [
        "CIFTI_STRUCTURE_CORTEX_LEFT",
        "CIFTI_STRUCTURE_THALAMUS_LEFT",
    ]
    assert series.facts["structures"][1]["start"] == 30 and series.facts["structures"][1]["stop"] == 38
    np.testing.assert_array_equal(series.indices["vertices"][:4], [1, 2, 3, 5])
    np.testing.assert_array_equal(series.indices["voxels"][30], [1, 1, 1])


def test_a_dense_file_that_is_no_series_or_ends_early(tmp_path: Path) -> None:
    data = np.zeros((2, 38), "f4")
    path = write_dense(tmp_path / "x.dscalar.nii", cifti2.ScalarAxis(["a", "b"]), data)
    with pytest.raises(FormatError, match="no dense series"):
        open_series(str(path), "nifti")
    path = write_dense(tmp_path / "x.dtseries.nii", cifti2.SeriesAxis(0, 1, 2), data)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError) as caught:
        open_series(str(path), "nifti").columns(0, 38)
    assert caught.value.kind == "truncated"


def write_surface(path: Path, data: np.ndarray, step: str | None = None) -> Path:
    """A GIFTI file of an array for each time."""
    meta = nibabel.gifti.GiftiMetaData({"TimeStep": step} if step else {})
    arrays = [
        nibabel.gifti.GiftiDataArray(one, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32", meta=meta)
        for one in data
    ]
    nibabel.save(nibabel.GiftiImage(darrays=arrays), path)
    return path


def test_a_surface_is_read_by_vertices(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(0, 1, (6, 25)).astype("f4")
    path = write_surface(tmp_path / "x.func.gii", data, "1.5")
    assert sniff(str(path)) == "gifti"
    series = open_series(str(path), "gifti")
    assert series.shape == (25, 6) and repetition_time(series, None)[0] == 1.5
    np.testing.assert_array_equal(np.stack([one.copy() for one in series.volumes()]), data)
    np.testing.assert_array_equal(series.read(2, 4), data[2:4].T)
    with pytest.raises(FormatError, match="looks like ms: give --tr 2"):
        repetition_time(open_series(str(write_surface(path, data, "2000")), "gifti"), None)
    with pytest.raises(FormatError, match="give --tr"):
        repetition_time(open_series(str(write_surface(path, data)), "gifti"), None)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FormatError, match="damaged or ends early"):
        list(open_series(str(path), "gifti").volumes())


@pytest.mark.parametrize("encoding", ["ASCII", "B64BIN", "B64GZ"])
@pytest.mark.parametrize("kind", ["INT32", "FLOAT32", "UINT8"])
def test_arrays_are_those_of_nibabel_in_every_encoding(tmp_path: Path, encoding: str, kind: str) -> None:
    data = np.random.default_rng(1).integers(0, 200, (3, 70_000 if encoding == "B64GZ" else 9)).astype(kind.lower())
    arrays = [
        nibabel.gifti.GiftiDataArray(one, encoding=f"GIFTI_ENCODING_{encoding}", datatype=f"NIFTI_TYPE_{kind}")
        for one in data
    ]
    nibabel.save(nibabel.GiftiImage(darrays=arrays), tmp_path / "x.func.gii")
    series = open_series(str(tmp_path / "x.func.gii"), "gifti")
    expected = [one.data for one in nibabel.load(tmp_path / "x.func.gii").darrays]
    assert series.dtype == expected[0].dtype
    np.testing.assert_array_equal(np.stack([one.copy() for one in series.volumes()]), expected)


def test_what_a_surface_file_must_not_hold_is_told(tmp_path: Path) -> None:
    path = write_surface(tmp_path / "x.func.gii", np.ones((3, 25), "f4"), "1.5")
    good = path.read_text()
    bomb = '<!DOCTYPE GIFTI [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    shorter = good.replace('NumberOfDataArrays="3"', 'NumberOfDataArrays="4"')
    cases = {
        re.sub("<!DOCTYPE[^>]*>", bomb, good): "declares entities",
        shorter: "names 4 volumes, the file ends after 3",
        good.replace('Dim0="25"', 'Dim0="24"'): "damaged",
        re.sub("(GZip)?Base64Binary", "ExternalFileBinary", good): "keeps its values as",
        good.replace('NumberOfDataArrays="3"', ""): "how many arrays",
    }
    for content, said in cases.items():
        assert content != good
        path.write_text(content)
        with pytest.raises(FormatError, match=said):
            list(open_series(str(path), "gifti").volumes())


@pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
def test_a_real_surface() -> None:
    path = Path(os.environ["MEDPIPE_DATA"]) / "nifti/task.func.gii"
    series = open_series(str(path), sniff(str(path)))
    expected = np.stack([one.data for one in nibabel.load(path).darrays])
    assert series.shape == (642, 10)
    np.testing.assert_array_equal(np.stack([one.copy() for one in series.volumes()]), expected)

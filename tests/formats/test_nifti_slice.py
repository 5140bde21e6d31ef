"""Slices are found by what the axes mean, however the file stores them."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medpipe.formats.errors import FormatError
from medpipe.formats.nifti_slice import Slice, open_slice

# [x, y, z] to the right, the front and the top.
VOLUME = np.random.default_rng(0).integers(0, 1000, (5, 6, 7)).astype(np.int16)
ZOOMS = (1.0, 2.0, 3.0)


def store(path: Path, axes: tuple[int, ...] = (0, 1, 2), signs: tuple[int, ...] = (1, 1, 1)) -> str:
    """The volume with its axes in another order and direction, and the affine that says so."""
    data = VOLUME.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for place, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, place] = sign * ZOOMS[axis]
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(data), affine), path)
    return str(path)


EXPECTED = {
    "axial:2": (VOLUME[::-1, ::-1, 2].T, (2.0, 1.0)),
    "coronal:1": (VOLUME[::-1, 1, ::-1].T, (3.0, 1.0)),
    "sagittal:mid": (VOLUME[2, ::-1, ::-1].T, (3.0, 2.0)),
}


@pytest.mark.parametrize("wanted", EXPECTED)
def test_every_way_of_storing_a_volume_gives_the_same_slice(tmp_path: Path, wanted: str) -> None:
    pixels, spacing = EXPECTED[wanted]
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        (found,) = open_slice(store(tmp_path / "x.nii", axes, signs), wanted, "none")
        assert found.spacing == spacing and found.shape == pixels.shape
        np.testing.assert_array_equal(found.read(), pixels)


def test_of_a_series_the_first_volume_is_taken_and_said(tmp_path: Path) -> None:
    series = np.stack([VOLUME, VOLUME + 1], axis=3)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "x.nii.gz")
    (found,) = open_slice(str(tmp_path / "x.nii.gz"), "axial:2", "none")
    np.testing.assert_array_equal(found.read(), EXPECTED["axial:2"][0])
    assert found.said == {"slice": "axial 2 of 7", "volume": "the first of 2"}


def test_grey_levels_span_the_slice_or_what_the_header_says(tmp_path: Path) -> None:
    (found,) = open_slice(store(tmp_path / "x.nii"), "axial:2")
    assert found.read().min() == 0 and found.read().max() == 255
    image = nibabel.load(tmp_path / "x.nii")
    image.header["cal_min"], image.header["cal_max"] = 100, 200
    nibabel.save(image, tmp_path / "y.nii")
    assert open_slice(str(tmp_path / "y.nii"), "axial:2")[0].pixels["voi"]["high"] == 200


def test_what_cannot_be_cut_is_named(tmp_path: Path) -> None:
    path = store(tmp_path / "x.nii")
    with pytest.raises(FormatError, match="choose a slice"):
        open_slice(path, None)
    with pytest.raises(FormatError, match="7 axial slices, 0 to 6"):
        open_slice(path, "axial:7")
    whole = Path(path).read_bytes()
    for part, kind in ((100, "bad-header"), (400, "truncated")):
        Path(path).write_bytes(whole[:part])
        with pytest.raises(FormatError) as caught:
            open_slice(path, "axial:6")[0].read()
        assert caught.value.kind == kind
    for wrong in ("axial", "axial:-1", "oblique:3", "axial:mid "):
        with pytest.raises(ValueError, match="is no slice"):
            Slice.parse(wrong)


@pytest.mark.parametrize("dtype", [np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_voxels_that_are_no_single_value_are_refused(tmp_path: Path, dtype: object) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), dtype), np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(FormatError, match="colours or complex numbers"):
        open_slice(str(tmp_path / "x.nii"), "axial:1")

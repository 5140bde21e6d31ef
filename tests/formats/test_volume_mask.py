"""Masks and atlases, and how far they lie from an image."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import scans

from medpipe.formats.errors import FormatError
from medpipe.formats.volume_mask import VoxelGrid, check_same_space, read_atlas, read_mask


def test_a_mask_is_what_is_neither_zero_nor_nan(tmp_path: Path) -> None:
    values = np.where(scans.mask(), 0.5, 0).astype("f4")
    values[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(values[..., None], scans.AFFINE), tmp_path / "m.nii.gz")
    found = read_mask(str(tmp_path / "m.nii.gz"))
    np.testing.assert_array_equal(found.values, scans.mask())
    plain = read_mask(str(scans.write_mask(tmp_path / "m.nii")))
    assert found.digest() == plain.digest()
    other = read_mask(str(scans.write_mask(tmp_path / "o.nii", ~scans.mask())))
    moved = read_mask(str(scans.write_mask(tmp_path / "s.nii", affine=scans.AFFINE + np.eye(4, k=3))))
    assert len({found.digest(), other.digest(), moved.digest()}) == 3


def test_what_is_no_mask_is_named(tmp_path: Path) -> None:
    empty = scans.write_mask(tmp_path / "e.nii", np.zeros(scans.SHAPE, bool))
    series = scans.write_scan(tmp_path / "s.nii", scans.values(3))
    probabilities = scans.write_scan(tmp_path / "p.nii", (scans.values(1)[..., 0] / 7).astype("f4"))
    (tmp_path / "t.nii").write_bytes(empty.read_bytes()[:400])
    (tmp_path / "l.nii").write_text("version https://git-lfs.github.com/spec/v1\n")
    cases = [
        (read_mask, empty, "mask is empty"), (read_mask, series, "this image has 4 dimensions"),
        (read_mask, tmp_path / "t.nii", "damaged or ends early"), (read_mask, tmp_path / "l.nii", "git lfs pull"),
        (read_atlas, probabilities, "no whole numbers"), (read_atlas, empty, "atlas is empty"),
        (read_mask, tmp_path / "no.nii", "no such file"),
    ]  # fmt: skip
    for read, path, said in cases:
        with pytest.raises(FormatError, match=said):
            read(str(path))


def grid(affine: np.ndarray, shape: tuple[int, ...] = scans.SHAPE) -> VoxelGrid:
    return VoxelGrid(np.ones(shape, bool), affine)


def test_a_shift_is_told_in_millimetres_and_voxels() -> None:
    moved = scans.AFFINE.copy()
    moved[:3, 3] += [6, 0, -3.5]
    with pytest.raises(FormatError) as caught:
        check_same_space("mask", grid(moved), scans.SHAPE, scans.AFFINE)
    assert "+6.00, +0.00, -3.50 mm (-2.00, +0.00, -1.00 voxels)" in str(caught.value)
    assert caught.value.kind == "other-space"


def test_other_sizes_and_turned_grids_are_told() -> None:
    with pytest.raises(FormatError, match=r"the atlas is 7x6x4 voxels of .*; the image 7x6x5 voxels of "):
        check_same_space("atlas", grid(scans.AFFINE, (7, 6, 4)), scans.SHAPE, scans.AFFINE)
    with pytest.raises(FormatError, match=r"flipped along x .*to R, .* image to L.* up to 36\.0 mm"):
        check_same_space("mask", grid(scans.AFFINE @ np.diag([-1, 1, 1, 1])), scans.SHAPE, scans.AFFINE)


def test_what_programs_round_is_the_same_space() -> None:
    check_same_space("mask", grid(scans.AFFINE + 1e-5), scans.SHAPE, scans.AFFINE)

"""Masks and atlases: which places are meant, and whether the grid of a volume is that of an image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.grid_words import against, grid_words
from medpipe.formats.nibabel_file import load_image
from medpipe.formats.registry import SERIES, check_kind
from medpipe.formats.sniff import sniff
from medpipe.formats.surface_mask import SurfaceGrid, cifti_values, gifti_values

# Voxels: headers round, and programs write the same affine in different ways.
_SAME = 0.01


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """Values on a grid of voxels.

    Args:
        values: [x, y, z]; bool for a mask, int64 for an atlas, 0 where nothing is meant.
        affine: [4, 4], from voxels to mm.
    """

    values: NDArray[Any]
    affine: NDArray[np.float64]

    def digest(self) -> str:
        """sha256 of the grid and its values, whatever file they came from."""
        content = hashlib.sha256(repr(self.values.shape).encode())
        content.update(np.round(self.affine, 3).astype("<f8").tobytes())
        values = np.packbits(self.values) if self.values.dtype == bool else self.values.astype("<i8")
        content.update(np.ascontiguousarray(values).tobytes())
        return content.hexdigest()


Grid = VoxelGrid | SurfaceGrid


def read_mask(path: str) -> Grid:
    """The places of a mask that are neither 0 nor NaN. FormatError when it cannot be read or has none."""
    values, space = _read(path)
    inside = (values != 0) & np.isfinite(values)
    if not inside.any():
        raise FormatError("empty-mask", f"the mask is empty: no {_place(space)} is inside")
    return replace(space, values=inside)


def read_atlas(path: str) -> Grid:
    """The label of each place, 0 for none. FormatError when it cannot be read, or holds no whole numbers."""
    values, space = _read(path)
    whole = np.nan_to_num(np.asarray(values, np.float64), nan=0.0)
    if not np.isfinite(whole).all() or (whole != np.round(whole)).any():
        raise FormatError("bad-atlas", "the atlas holds values that are no whole numbers; a probabilistic one is none")
    if not whole.any():
        raise FormatError("empty-mask", f"the atlas is empty: no {_place(space)} has a label")
    return replace(space, values=whole.astype(np.int64))


def _place(space: Grid) -> str:
    return "voxel" if isinstance(space, VoxelGrid) else "place"


def _read(path: str) -> tuple[NDArray[Any], Grid]:
    """Values of a NIfTI volume, a dense CIFTI map or a GIFTI array, and where they lie."""
    kind = sniff(path)
    check_kind(kind, SERIES)
    if kind == "gifti":
        return gifti_values(path)
    image = load_image(path, "NIfTI header")
    if hasattr(image.header, "get_axis"):
        return cifti_values(image)
    try:
        values = np.asarray(image.dataobj)
    except Exception as error:  # a damaged file may raise anything at all
        raise FormatError("bad-header", "the NIfTI file is damaged or ends early") from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise FormatError("not-3d", f"a mask or an atlas is one volume, this image has {values.ndim} dimensions")
    return values, VoxelGrid(values, np.asarray(image.affine, np.float64))


def check_same_space(what: str, grid: VoxelGrid, shape: tuple[int, ...], affine: NDArray[np.float64]) -> None:
    """FormatError where a grid does not lie as an image does, telling how far they are apart.

    Args:
        what: `mask` or `atlas`, for the message.
        grid: of that.
        shape: of the image, [x, y, z].
        affine: of the image.
    """
    if grid.values.shape != tuple(shape):
        mine, other = grid_words(grid.values.shape, grid.affine), grid_words(shape, affine)
        raise FormatError("other-space", f"the {what} is {mine}; the image {other}: bring them together")
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape])).reshape(3, -1)
    apart = (grid.affine[:3, :3] - affine[:3, :3]) @ corners + (grid.affine[:3, 3] - affine[:3, 3])[:, None]
    voxel = np.sqrt((affine[:3, :3] ** 2).sum(axis=0)).min()
    if np.linalg.norm(apart, axis=0).max() <= _SAME * voxel:
        return
    if np.ptp(apart, axis=1).max() <= _SAME * voxel:
        mm = ", ".join(f"{value:+.2f}" for value in apart[:, 0])
        steps = ", ".join(f"{value:+.2f}" for value in np.linalg.solve(affine[:3, :3], apart[:, 0]))
        raise FormatError("other-space", f"the {what} lies {mm} mm ({steps} voxels) from the image along x, y, z")
    most = np.linalg.norm(apart, axis=0).max()
    how = against(grid.affine, affine)
    raise FormatError("other-space", f"the {what} is {how} against the image: corners are up to {most:.1f} mm apart")

"""Which values of a volume become the columns of the responses: voxels of a mask, smoothed or averaged in parcels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.parcels import ParcelMeans
from medpipe.core.fmri.smoothing import smoothed
from medpipe.formats.series import Series
from medpipe.formats.surface_mask import SurfaceGrid
from medpipe.formats.volume_mask import Grid, VoxelGrid, check_same_space

# Puts the wanted values of a volume, flat as on disk, into a row.
Take = Callable[[NDArray[Any], NDArray[Any]], None]
# Of values that are not as they were on disk.
_MADE = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """The grids, read already, and the width of the Gaussian in mm."""

    mask: Grid | None = None
    atlas: Grid | None = None
    fwhm: float | None = None


@dataclass(slots=True)
class Places:
    """The columns of one run.

    Args:
        count: how many.
        dtype: of what `take` gives: that of the file, or float32 in its unit where `made` is true.
        take: see Take.
        made: whether the values are scaled already.
        facts: keys of the record.
        arrays: arrays of the record with a row for each column, or for each voxel behind one.
        noun: what the columns are.
        absent: voxels behind parcels, true as soon as one had to be left out of a mean.
        whole: the columns are the places of the run as they lie.
    """

    count: int
    dtype: np.dtype[Any]
    take: Take
    made: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    noun: str = "voxels"
    absent: NDArray[np.bool_] | None = None
    whole: bool = False


def surface_places(series: Series, options: PlaceOptions) -> Places:
    """The places of a surface, those of the mask, or the parcels of the atlas within it, as columns.

    Raises:
        FormatError: mask or atlas are of other surfaces.
        InputError: they are of voxels, no place is in both, or a Gaussian is asked for.
    """
    if options.fwhm is not None:
        raise InputError(
            "not-a-volume",
            "--fwhm smooths a grid of voxels: on a surface distances run along the cortex, whose shape is not in a"
            f" {series.format.upper()} run; smooth it before, by wb_command or mri_surf2surf",
        )
    inside = np.ones(series.shape[0], bool)
    facts: dict[str, Any] = {}
    atlas: NDArray[np.int64] | None = None
    if options.mask is not None:
        inside &= _surface("mask", options.mask).at("mask", series)
        facts["mask"] = {"sha256": options.mask.digest(), "places": int(options.mask.values.sum())}
    if options.atlas is not None:
        atlas = _surface("atlas", options.atlas).at("atlas", series)
        inside &= atlas != 0
        facts["atlas"] = {"sha256": options.atlas.digest()}
    index: NDArray[np.intp] = np.flatnonzero(inside)
    if not index.size:
        raise InputError("empty-mask", "no place of the run is inside the mask and has a label")
    arrays = {name: rows[index] for name, rows in series.indices.items()}
    facts["structures"] = _cut_structures(series, index)

    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        row[:] = volume[index]

    made = Places(len(index), _MADE, take, True, facts, arrays, noun="places")
    if atlas is not None:
        return _parcels(take, atlas[inside], made)
    # What lies place by place need not be turned, where all of it is wanted.
    return replace(made, whole=bool(inside.all()) and not series.by_volume)


def _surface(what: str, grid: Grid) -> SurfaceGrid:
    if isinstance(grid, VoxelGrid):
        raise InputError("other-space", f"the {what} is of voxels, the run of a surface: give one of its places")
    return grid


def _cut_structures(series: Series, index: NDArray[np.intp]) -> list[dict[str, Any]]:
    """The structures by the columns that are left of them."""
    made = []
    for part in series.facts["structures"]:
        start, stop = (int(np.searchsorted(index, part[name])) for name in ("start", "stop"))
        if stop > start:
            made.append({**part, "start": start, "stop": stop})
    return made


def volume_places(series: Series, options: PlaceOptions) -> Places:
    """The voxels of the mask, or the parcels of the atlas within it, as columns; x slowest, as numpy indexes a mask.

    Raises:
        FormatError: mask or atlas lie in another space.
        InputError: there is neither, or no voxel is in both.
    """
    shape, affine = series.shape[:3], np.asarray(series.facts["affine"])
    inside, facts = _inside(shape, affine, options)
    voxels = np.argwhere(inside)
    index: NDArray[np.intp] = np.asarray(np.ravel_multi_index(tuple(voxels.T), shape, order="F"))
    arrays = {"voxels": voxels.astype("<i4")}
    if options.atlas is not None:
        take = _smoother(series, index, affine, options.fwhm)
        return _parcels(take, options.atlas.values[inside], Places(0, _MADE, take, True, facts, arrays))
    if options.fwhm is not None:
        return Places(len(index), _MADE, _smoother(series, index, affine, options.fwhm), True, facts, arrays)
    return Places(len(index), series.dtype, _taker(index), facts=facts, arrays=arrays)


def _inside(
    shape: tuple[int, ...], affine: NDArray[np.float64], options: PlaceOptions
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """The voxels that are wanted, [x, y, z], and what the record says of them."""
    inside: NDArray[np.bool_] = np.ones(shape, bool)
    facts: dict[str, Any] = {"grid": list(shape)}
    if options.mask is None and options.atlas is None:
        raise InputError("no-mask", "a volume needs --mask or --labels, which say what voxels are wanted")
    if options.mask is not None:
        inside &= _volume("mask", options.mask, shape, affine)
        facts["mask"] = {"sha256": options.mask.digest(), "voxels": int(options.mask.values.sum())}
    if options.atlas is not None:
        inside &= _volume("atlas", options.atlas, shape, affine) != 0
        facts["atlas"] = {"sha256": options.atlas.digest()}
    if not inside.any():
        raise InputError("empty-mask", "no voxel of the atlas is inside the mask")
    return inside, facts


def _volume(what: str, grid: Grid, shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[Any]:
    if isinstance(grid, SurfaceGrid):
        raise InputError("other-space", f"the {what} is of a surface, the image of voxels: give one of its grid")
    check_same_space(what, grid, shape, affine)
    return grid.values


def _parcels(take: Take, labels: NDArray[np.int64], voxels: Places) -> Places:
    """Means over the voxels of each label, in place of the voxels."""
    means = ParcelMeans(labels)
    values = np.empty(len(labels), np.float32)

    def average(volume: NDArray[Any], row: NDArray[Any]) -> None:
        take(volume, values)
        row[:] = means(values)

    arrays = {"labels": means.names.astype("<i8"), **voxels.arrays, "parcel": means.places.astype("<i4")}
    return replace(voxels, count=len(means.names), take=average, arrays=arrays, noun="parcels", absent=means.absent)


def _taker(index: NDArray[np.intp]) -> Take:
    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        # Every index is inside; without a mode numpy goes through a copy.
        np.take(volume, index, out=row, mode="clip")

    return take


def _smoother(series: Series, index: NDArray[np.intp], affine: NDArray[np.float64], fwhm: float | None) -> Take:
    """Values in the file's unit, through a Gaussian where one is asked for."""
    shape = series.shape[:3]

    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        values = series.scaled(volume).astype(np.float32)
        if fwhm is not None:
            values = smoothed(values.reshape(shape, order="F"), affine, fwhm).reshape(-1, order="F")
        np.take(values, index, out=row, mode="clip")

    return take

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
from medpipe.formats.volume_mask import VoxelGrid, check_same_space

# Puts the wanted values of a volume, flat as on disk, into a row.
Take = Callable[[NDArray[Any], NDArray[Any]], None]
# Of values that are not as they were on disk.
_MADE = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """The grids, read already, and the width of the Gaussian in mm."""

    mask: VoxelGrid | None = None
    atlas: VoxelGrid | None = None
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
    """

    count: int
    dtype: np.dtype[Any]
    take: Take
    made: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    noun: str = "voxels"
    absent: NDArray[np.bool_] | None = None


def surface_places(series: Series, options: PlaceOptions) -> Places:
    """All places of a surface. InputError for what only volumes have."""
    if options.mask is not None or options.atlas is not None or options.fwhm is not None:
        raise InputError("not-a-volume", f"a {series.format.upper()} file takes no --mask, --labels or --fwhm")

    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        raise NotImplementedError

    return Places(series.shape[0], series.dtype, take, arrays=series.indices, noun="places")


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
        check_same_space("mask", options.mask, shape, affine)
        inside &= options.mask.values
        facts["mask"] = {"sha256": options.mask.digest(), "voxels": int(options.mask.values.sum())}
    if options.atlas is not None:
        check_same_space("atlas", options.atlas, shape, affine)
        inside &= options.atlas.values != 0
        facts["atlas"] = {"sha256": options.atlas.digest()}
    if not inside.any():
        raise InputError("empty-mask", "no voxel of the atlas is inside the mask")
    return inside, facts


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

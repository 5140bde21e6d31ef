"""Which values of a volume become the columns of the responses: voxels of a mask, smoothed or averaged in parcels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.parcels import ParcelMeans
from medpipe.core.fmri.smoothing import smoothed
from medpipe.formats.series import Series
from medpipe.formats.volume_mask import VoxelGrid, check_same_space


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
        take: puts the values of a volume, flat as on disk, into a row.
        made: whether the values are scaled already.
        facts: keys of the record.
        arrays: arrays of the record with a row for each column, or for each voxel behind one.
    """

    count: int
    dtype: np.dtype[Any]
    take: Callable[[NDArray[Any], NDArray[Any]], None]
    made: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def surface_places(series: Series, options: PlaceOptions) -> Places:
    """All places of a surface. InputError for what only volumes have."""
    if options.mask is not None or options.atlas is not None or options.fwhm is not None:
        raise InputError("not-a-volume", f"a {series.format.upper()} file takes no --mask, --labels or --fwhm")

    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        raise NotImplementedError

    return Places(series.shape[0], series.dtype, take, arrays=series.indices)


def volume_places(series: Series, options: PlaceOptions) -> Places:
    """The voxels of the mask, or the parcels of the atlas within it, as columns; x slowest, as numpy indexes a mask.

    Raises:
        FormatError: mask or atlas lie in another space.
        InputError: there is neither, or no voxel is in both.
    """
    shape, affine = series.shape[:3], np.asarray(series.facts["affine"])
    inside = np.ones(shape, bool)
    facts: dict[str, Any] = {"shape": list(shape)}
    if options.mask is None and options.atlas is None:
        raise InputError("no-mask", "a volume needs --mask or --labels, which say what voxels are wanted")
    if options.mask is not None:
        check_same_space("mask", options.mask, shape, affine)
        inside &= options.mask.values
        facts["mask"] = {"sha256": options.mask.digest(), "voxels": int(options.mask.values.sum())}
    if options.atlas is not None:
        check_same_space("atlas", options.atlas, shape, affine)
        inside &= options.atlas.values != 0
    voxels = np.argwhere(inside)
    if not len(voxels):
        raise InputError("empty-mask", "no voxel of the atlas is inside the mask")
    index = np.ravel_multi_index(tuple(voxels.T), shape, order="F")
    arrays: dict[str, NDArray[Any]] = {"voxels": voxels.astype("<i4")}
    if options.atlas is None:
        if options.fwhm is None:
            return Places(len(index), series.dtype, _taker(index), facts=facts, arrays=arrays)
        return Places(len(index), np.dtype(np.float32), _smoother(series, index, affine, options.fwhm), True, facts, arrays)
    labels = options.atlas.values[inside]
    means = ParcelMeans(labels)
    facts["atlas"] = {"sha256": options.atlas.digest(), "parcels": len(means.names)}
    arrays |= {"labels": means.names.astype("<i8"), "parcel": means.places.astype("<i4")}
    values = _smoother(series, index, affine, options.fwhm)

    def average(volume: NDArray[Any], row: NDArray[Any]) -> None:
        found = np.empty(len(index), np.float32)
        values(volume, found)
        row[:] = means(found)

    return Places(len(means.names), np.dtype(np.float32), average, True, facts, arrays)


def _taker(index: NDArray[np.intp]) -> Callable[[NDArray[Any], NDArray[Any]], None]:
    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        # Every index is inside; without a mode numpy goes through a copy.
        np.take(volume, index, out=row, mode="clip")

    return take


def _smoother(
    series: Series, index: NDArray[np.intp], affine: NDArray[np.float64], fwhm: float | None
) -> Callable[[NDArray[Any], NDArray[Any]], None]:
    """Values in the file's unit, through a Gaussian where one is asked for."""
    shape = series.shape[:3]

    def take(volume: NDArray[Any], row: NDArray[Any]) -> None:
        values = series.scaled(volume).astype(np.float32)
        if fwhm is not None:
            values = smoothed(values.reshape(shape, order="F"), affine, fwhm).reshape(-1, order="F")
        np.take(values, index, out=row, mode="clip")

    return take

"""Volumes smoothed by a Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIGMAS_PER_FWHM = 1 / np.sqrt(8 * np.log(2))


def smoothed(volume: NDArray[np.float32], affine: NDArray[np.float64], fwhm: float) -> NDArray[np.float32]:
    """A volume [x, y, z] through a Gaussian, mm at half of its height.

    Values that are not finite count as 0 for their neighbours, and are NaN afterwards.

    Args:
        volume: float32; overwritten.
        affine: [4, 4], from voxels to mm.
        fwhm: mm.
    """
    from scipy.ndimage import gaussian_filter1d

    absent = ~np.isfinite(volume)
    volume[absent] = 0
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    for axis, size in enumerate(sizes):
        gaussian_filter1d(volume, fwhm * _SIGMAS_PER_FWHM / size, axis=axis, output=volume)
    volume[absent] = np.nan
    return volume

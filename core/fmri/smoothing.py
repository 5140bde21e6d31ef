"""Volumes smoothed by a Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIGMAS_PER_FWHM = 1 / np.sqrt(8 * np.log(2))


def smoothed(volume: NDArray[np.float32], affine: NDArray[np.float64], fwhm: float) -> NDArray[np.float32]:
    """A volume [x, y, z] through a Gaussian, mm at half of its height; values that are not finite count as 0.

    Args:
        volume: float32; overwritten.
        affine: [4, 4], from voxels to mm.
        fwhm: mm.
    """
    from scipy.ndimage import gaussian_filter1d

    np.nan_to_num(volume, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    for axis, size in enumerate(sizes):
        gaussian_filter1d(volume, fwhm * _SIGMAS_PER_FWHM / size, axis=axis, output=volume)
    return volume

"""Volumes during which the head moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HEAD_RADIUS_MM = 50.0


def framewise_displacement(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the head moved since the volume before, mm; 0 for the first.

    Power et al. 2012 (doi:10.1016/j.neuroimage.2011.10.018): rotations as arcs on a sphere of 50 mm.

    Args:
        motion: [time, 6], three translations in mm and three rotations in radians.
    """
    moved = np.abs(np.diff(motion, axis=0, prepend=motion[:1]))
    total: NDArray[np.float64] = moved[:, :3].sum(axis=1) + _HEAD_RADIUS_MM * moved[:, 3:].sum(axis=1)
    return total


def filled(signal: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The signal [time, n] with straight lines across the times that are not kept, for filters that need all."""
    if keep.all():
        return signal
    times = np.flatnonzero(keep)
    right = np.clip(np.searchsorted(times, np.arange(len(keep))), 0, len(times) - 1)
    after = times[right]
    before = times[np.maximum(right - (after > np.arange(len(keep))), 0)]
    span = np.maximum(after - before, 1)
    share = np.clip((np.arange(len(keep)) - before) / span, 0, 1)[:, None]
    lines: NDArray[np.float64] = signal[before] * (1 - share) + signal[after] * share
    return lines

"""Frequencies above a limit taken out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

_ORDER = 5


def low_passed(signal: NDArray[np.float64], tr: float, limit: float) -> NDArray[np.float64]:
    """The signal [time, n] through a Butterworth filter of order 5, forwards and backwards, so in phase.

    Args:
        signal: one column a voxel.
        tr: seconds from one volume to the next.
        limit: Hz, where half of the power is left each way.
    """
    from scipy.signal import butter, sosfiltfilt

    nyquist = 0.5 / tr
    if limit >= nyquist:
        raise InputError(
            "bad-value", f"low-pass {limit:g} Hz: volumes {tr:g} s apart hold nothing above {nyquist:g} Hz"
        )
    sections = butter(_ORDER, limit / nyquist, output="sos")
    if len(signal) <= 3 * (2 * len(sections) + 1):
        raise InputError("too-short", f"{len(signal)} volumes are too few for a low-pass filter")
    filtered: NDArray[np.float64] = sosfiltfilt(sections, signal, axis=0)
    return filtered

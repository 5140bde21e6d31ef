"""The haemodynamic response to a moment of stimulation."""

from __future__ import annotations

from math import gamma

import numpy as np
from numpy.typing import NDArray

PEAK, UNDERSHOOT, RATIO = 6.0, 16.0, 1 / 6
LENGTH = 32.0


def double_gamma(
    times: NDArray[np.float64], peak: float = PEAK, undershoot: float = UNDERSHOOT, ratio: float = RATIO
) -> NDArray[np.float64]:
    """The difference of two gamma densities, as SPM's canonical response: its area is 1 - ratio.

    Friston et al. 1998 (doi:10.1006/nimg.1997.0306).

    Args:
        times: seconds after the moment; 0 before it.
        peak: shape of the first density, whose mode is a second earlier.
        undershoot: shape of the second.
        ratio: the second's share.
    """
    return _gamma(times, peak) - ratio * _gamma(times, undershoot)


def _gamma(times: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    after = np.maximum(times, 0.0)
    density: NDArray[np.float64] = after ** (shape - 1) * np.exp(-after) / gamma(shape)
    return density

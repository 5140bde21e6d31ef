"""Noise that remembers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def autoregressive(
    volumes: int, series: int, phi: float | NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Stationary noise x[t] = phi x[t-1] + e[t] of variance 1, [volumes, series]; `phi` is one, or [series]."""
    noise = rng.standard_normal((volumes, series))
    noise[1:] *= np.sqrt(1 - phi**2)
    for before, now in pairwise(noise):
        now += phi * before
    return noise

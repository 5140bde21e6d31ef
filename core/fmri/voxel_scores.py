"""How well predicted responses fit the measured ones, voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def correlation(true: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """Pearson's r of each column of [time, n]; 0 where one of the two is constant."""
    x, y = _centred(true), _centred(predicted)
    size = np.sqrt((x * x).sum(axis=0) * (y * y).sum(axis=0))
    made: NDArray[np.float64] = np.divide((x * y).sum(axis=0), size, out=np.zeros_like(size), where=size > 0)
    return made


def explained(true: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """R2 of each column of [time, n]: the share of the variance that is gone; 0 where there was none."""
    left = ((true.astype(np.float64) - predicted) ** 2).sum(axis=0)
    whole = (_centred(true) ** 2).sum(axis=0)
    made: NDArray[np.float64] = 1 - np.divide(left, whole, out=np.ones_like(left), where=whole > 0)
    return made


def explainable_variance(repeats: NDArray[Any]) -> NDArray[np.float64]:
    """The explainable variance of each voxel, from runs of one story.

    The mean covariance of two runs over the mean variance of one; Sahani and Linden 2003. Noise makes it negative
    where there is no signal.

    Args:
        repeats: [runs, time, n], two runs at least.
    """
    runs = len(repeats)
    if runs < 2:
        raise ValueError("the explainable variance needs two runs of a story")
    centred = repeats.astype(np.float64) - repeats.mean(axis=1, keepdims=True, dtype=np.float64)
    own = (centred**2).sum(axis=(0, 1)) / runs
    shared = ((centred.sum(axis=0) ** 2).sum(axis=0) - runs * own) / (runs * (runs - 1))
    made: NDArray[np.float64] = np.divide(shared, own, out=np.zeros_like(own), where=own > 0)
    return made


def _centred(values: NDArray[Any]) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    made: NDArray[np.float64] = wide - wide.mean(axis=0)
    return made

"""Means over windows; one that is undefined, NaN, has no part in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medpipe.core.metrics.text.metric import Array


def weighted_means(values: Array, weights: Array) -> Array:
    """Of windows [windows] under weightings [draws, windows]: [draws]."""
    defined = np.isfinite(values)
    return _divide(weights @ np.where(defined, values, 0), weights @ defined.astype(np.float64))


def mean(values: Array) -> float:
    """Of windows [windows]; NaN where all are undefined."""
    return float(weighted_means(values, np.ones((1, len(values))))[0])


def combined_means(means: Sequence[Array], windows: Sequence[int]) -> Array:
    """Over the windows of all stories [draws], from the means [draws] and the number of windows of each story."""
    each, weights = np.stack(means), np.asarray(windows, np.float64)[:, None]
    defined = np.isfinite(each)
    return _divide((np.where(defined, each, 0) * weights).sum(axis=0), (defined * weights).sum(axis=0))


def _divide(sums: Array, totals: Array) -> Array:
    divided: Array = np.divide(sums, totals, out=np.full(len(sums), np.nan), where=totals > 0)
    return divided

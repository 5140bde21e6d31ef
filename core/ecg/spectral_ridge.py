"""The spectral ridge baseline: log band powers and correlations of the leads, by a linear model with a ridge penalty.

The features are those of `baselines.spectra`, arranged so that recordings may have different leads.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.preprocess_default import LEADS
from medpipe.core.ecg.probe import Probed, Sample, Standard, choose
from medpipe.core.ecg.window_features import WindowFeatures

Array = NDArray[np.float64]
PENALTIES: Final = (1e5, 1e4, 1e3, 100.0, 10.0, 1.0)
_PAIRS: Final = np.array(np.triu_indices(len(LEADS), 1))


def spectral_encoder() -> WindowFeatures:
    """Spectra and lead correlations [1026], 0 where a lead is absent; behind them which leads and pairs are there [78].

    Over several windows the means are taken of all of it, so that the last 78 numbers become shares of windows.
    """
    return WindowFeatures("spectra", _features)


def _features(x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    # With it comes torch, which this process need not load before its workers start.
    from medpipe.core.ecg.baselines import spectra

    values = spectra(x[None], np.ones(len(LEADS), bool))[0]
    there = np.concatenate([present, present[_PAIRS[0]] & present[_PAIRS[1]]]).astype(np.float32)
    return np.concatenate([values * _each(there[None], len(values))[0], there]).astype(np.float32)


def _each(there: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Shares of leads and of pairs [n, 78] -> those of `count` features [n, count]: bands of each lead, then pairs."""
    bands = (count - _PAIRS.shape[1]) // len(LEADS)
    return np.concatenate([np.repeat(there[:, : len(LEADS)], bands, axis=1), there[:, len(LEADS) :]], axis=1)


def with_gaps(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `spectral_encoder` gives [n, 1104] -> features [n, 1026], NaN where a lead is absent."""
    extra = len(LEADS) + _PAIRS.shape[1]
    values, there = features[:, :-extra], features[:, -extra:]
    shares = _each(there, values.shape[1])
    return np.divide(values, shares, out=np.full_like(values, np.nan), where=shares > 0)


def probe_ridge(train: Sample, val: Sample, test: NDArray[np.floating]) -> Probed:
    """Ridge regression of 0 and 1 for each class; one penalty for all, chosen on `val`.

    Features [n, d] may hold NaN, which counts as the mean of the training recordings. `test` [m, d].
    """
    standard = Standard.of(train.features)
    inputs = standard(train.features)
    others = standard(np.concatenate([val.features, test]))
    scores = np.empty((len(PENALTIES), len(others), train.labels.shape[1]))
    known = np.isfinite(train.labels)
    # Most classes are known of the same recordings, and one decomposition then serves them all.
    for mask in np.unique(known, axis=1).T:
        columns = np.flatnonzero((known == mask[:, None]).all(axis=0))
        scores[:, :, columns] = _path(inputs[mask], train.labels[mask][:, columns], others)
    return choose(train, val, zip(PENALTIES, scores, strict=True))


def _path(inputs: Array, labels: NDArray[np.float32], others: Array) -> Array:
    """Labels [n, classes], all known -> scores of the others [m, d] for each penalty, [penalties, m, classes]."""
    if not len(inputs):
        return np.zeros((len(PENALTIES), len(others), labels.shape[1]))
    centre = labels.mean(axis=0, dtype=np.float64)
    target = labels - centre
    # By the smaller of the two products: there may be more features than recordings, or fewer.
    if len(inputs) < inputs.shape[1]:
        values, vectors = np.linalg.eigh(inputs @ inputs.T)
        into, target = others @ inputs.T @ vectors, vectors.T @ target
    else:
        values, vectors = np.linalg.eigh(inputs.T @ inputs)
        into, target = others @ vectors, vectors.T @ (inputs.T @ target)
    shrunk = [into @ (target / (np.maximum(values, 0) + penalty)[:, None]) + centre for penalty in PENALTIES]
    return np.stack(shrunk)

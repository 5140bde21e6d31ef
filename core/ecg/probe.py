"""Linear probing of frozen embeddings: L2 logistic regression, its strength chosen on validation labels alone.

Whoever fits sees labels of training and validation only: those of the test recordings are no argument.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.roc import auroc

Array = NDArray[np.float64]
# Inverse strengths, as scikit-learn's C, from the strongest penalty to the weakest.
STRENGTHS: Final = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
_ITERATIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """Recordings to learn or to choose from: features [n, d] and labels [n, classes], 0, 1 or NaN if unknown."""

    features: NDArray[np.floating]
    labels: NDArray[np.float32]

    def learnable(self) -> NDArray[np.bool_]:
        """Which classes [classes] have both values."""
        both: NDArray[np.bool_] = (self.labels == 1).any(axis=0) & (self.labels == 0).any(axis=0)
        return both


@dataclass(frozen=True, slots=True)
class Probed:
    """Scores of the test recordings [m, classes], what was chosen, and which classes could be learnt.

    `chosen` is None where validation had nothing to choose by. A class that could not be learnt has one score for
    all recordings.
    """

    scores: Array
    chosen: float | None
    learnt: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Standard:
    """Mean 0 and standard deviation 1 on the training recordings; a feature that is constant there becomes 0."""

    mean: Array
    spread: Array

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Standard:
        """From training features [n, d]; NaN takes no part."""
        with warnings.catch_warnings():
            # Of a column of NaN alone: it becomes 0.
            warnings.simplefilter("ignore", RuntimeWarning)
            values = np.asarray(features, np.float64)
            mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        constant = ~(spread > 1e-9 * np.maximum(np.abs(mean), 1e-3))
        return cls(np.nan_to_num(np.asarray(mean)), np.where(constant, np.inf, spread))

    def __call__(self, features: NDArray[np.floating]) -> Array:
        """[n, d] -> [n, d]; NaN becomes 0, which is the mean."""
        return np.nan_to_num((features - self.mean) / self.spread)


def probe_logistic(train: Sample, val: Sample, test: NDArray[np.floating]) -> Probed:
    """One classifier a class, fitted on `train`; one strength for all classes, the best on `val`.

    `test` [m, d]. Raises ImportError without scikit-learn.
    """
    standard = Standard.of(train.features)
    inputs = standard(train.features)
    others = standard(np.concatenate([val.features, test]))
    learnt = train.learnable()
    models = [_Class(inputs, labels) if able else None for labels, able in zip(train.labels.T, learnt, strict=True)]

    def scored(strength: float) -> Array:
        flat = np.zeros(len(others))
        return np.stack([flat if model is None else model.scores(strength, others) for model in models], axis=1)

    return choose(train, val, ((strength, scored(strength)) for strength in STRENGTHS))


class _Class:
    """The logistic regression of one class, going on from one strength to the next."""

    def __init__(self, inputs: Array, labels: NDArray[np.float32]) -> None:
        from sklearn.linear_model import LogisticRegression

        known = np.isfinite(labels)
        self._inputs, self._labels = inputs[known], labels[known] > 0.5
        self._model: Any = LogisticRegression(solver="lbfgs", max_iter=_ITERATIONS, warm_start=True)

    def scores(self, strength: float, others: Array) -> Array:
        """Log odds [m] of others [m, d]."""
        with warnings.catch_warnings():
            # Separable classes with next to no penalty need not converge: validation judges what came out.
            warnings.simplefilter("ignore")
            self._model.set_params(C=strength).fit(self._inputs, self._labels)
        return np.asarray(self._model.decision_function(others), np.float64)


def choose(train: Sample, val: Sample, path: Iterable[tuple[float, Array]]) -> Probed:
    """Of a path from strong to weak penalties the best on `val` by mean AUROC, the strongest of equals.

    Each step is the penalty with scores [len(val) + m, classes], those of `val` first. Classes without both values
    in `val`, or not learnt, do not count; if none does, the strongest penalty is taken and nothing was chosen.
    """
    learnt = train.learnable()
    counted = np.flatnonzero(learnt & val.learnable())
    count = len(val.labels)
    best: tuple[float, float | None, Array] | None = None
    for penalty, scores in path:
        quality = mean_auroc(val.labels, scores[:count], counted)
        if best is None or quality > best[0] + 1e-12:
            best = quality, penalty, scores[count:]
    if best is None:
        raise ValueError("no penalty to choose from")
    return Probed(best[2], best[1] if len(counted) else None, learnt)


def mean_auroc(labels: NDArray[np.float32], scores: Array, columns: Sequence[int] | NDArray[np.intp]) -> float:
    """Mean AUROC over these columns of labels and scores [n, classes]; 0 without any."""
    areas = []
    for k in columns:
        known = np.isfinite(labels[:, k])
        areas.append(auroc(labels[known, k].astype(np.float64), scores[known, k]))
    return float(np.mean(areas)) if areas else 0.0


def nested_subsets(patients: Sequence[str], fractions: Sequence[float], seed: int) -> dict[float, NDArray[np.intp]]:
    """For each fraction the recordings [k] of so many of the patients, at least one; a smaller one lies in a larger.

    `patients` names the patient of each recording. Which are drawn depends on their names and `seed` alone.
    """
    names, member = np.unique(np.asarray(patients), return_inverse=True)
    place = np.empty(len(names), np.intp)
    place[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names))
    counts = {fraction: max(1, round(fraction * len(names))) for fraction in fractions}
    return {fraction: np.flatnonzero(place[member] < count) for fraction, count in counts.items()}

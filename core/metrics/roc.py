"""Area under the ROC curve, average precision and thresholds, for many weightings of one sample at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores of one class sorted from high to low, ties joined into steps.

    `order` [n] sorts the records; `last` [steps] is the place of each step's last record; `positive` [n] says
    which of the sorted records are positive.
    """

    order: NDArray[np.intp]
    last: NDArray[np.intp]
    positive: NDArray[np.bool_]
    thresholds: Array


def rank(labels: Array, scores: Array) -> Ranked:
    """Labels (0 or 1) and scores [n], sorted once for all weightings."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) if len(ordered) else np.empty(0, np.intp)
    return Ranked(order, last, labels[order] > 0.5, ordered[last])


def weighted_areas(ranked: Ranked, weights: Array) -> tuple[Array, Array]:
    """AUROC and average precision under each weighting [draws, n]; NaN where a class has no weight on one side.

    Ties count half in the AUROC (Mann-Whitney). Average precision is the sum of precision times the step in
    recall over distinct scores, as scikit-learn defines it.
    """
    if not len(ranked.order):
        nothing = np.full(len(weights), np.nan)
        return nothing, nothing.copy()
    sorted_weights = weights[:, ranked.order]
    true = np.cumsum(np.where(ranked.positive, sorted_weights, 0.0), axis=1)[:, ranked.last]
    false = np.cumsum(np.where(ranked.positive, 0.0, sorted_weights), axis=1)[:, ranked.last]
    gained = np.diff(true, axis=1, prepend=0.0)
    lost = np.diff(false, axis=1, prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = true - 0.5 * gained
        auroc = (lost * below).sum(axis=1) / (true[:, -1] * false[:, -1])
        seen = true + false
        precision = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
        average = (precision * gained).sum(axis=1) / true[:, -1]
    average[false[:, -1] == 0] = np.nan
    return auroc, average


def auroc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve of labels [n] (0 or 1) and scores [n]; NaN with one class only."""
    return float(weighted_areas(rank(labels, scores), np.ones((1, len(labels))))[0][0])


def average_precision(labels: Array, scores: Array) -> float:
    """Average precision; NaN with one class only."""
    return float(weighted_areas(rank(labels, scores), np.ones((1, len(labels))))[1][0])


def threshold_row(labels: Array, scores: Array, threshold: float) -> dict[str, float | int | None]:
    """What calling every score at or above a threshold positive gives; None where a share is of nothing."""
    called, positive = scores >= threshold, labels > 0.5
    hit, miss = int((called & positive).sum()), int((~called & positive).sum())
    false, right = int((called & ~positive).sum()), int((~called & ~positive).sum())
    return {
        "threshold": float(threshold),
        "sensitivity": _share(hit, hit + miss),
        "specificity": _share(right, right + false),
        "ppv": _share(hit, hit + false),
        "npv": _share(right, right + miss),
        "tp": hit,
        "fn": miss,
        "fp": false,
        "tn": right,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def youden_threshold(labels: Array, scores: Array) -> float:
    """The score with the largest sensitivity plus specificity (Youden 1950), the highest of equals.

    Chosen on the records that it is reported for, so its numbers flatter.
    """
    ranked = rank(labels, scores)
    true = np.cumsum(ranked.positive)[ranked.last]
    false = np.cumsum(~ranked.positive)[ranked.last]
    gain = true / max(1, int(true[-1])) - false / max(1, int(false[-1]))
    return float(ranked.thresholds[int(np.argmax(gain))])

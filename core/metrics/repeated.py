"""Predictions of the same records that were made several times, with one seed and another: means with intervals.

A value is the mean of the metric over the seeds, and its interval that of this mean: the metric of averaged scores
would be that of an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.bootstrap import draw_weights, interval, two_sided_p
from medpipe.core.metrics.labels import METRICS
from medpipe.core.metrics.roc import rank, weighted_areas

Array = NDArray[np.float64]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Repeated:
    """METRICS of several seeds [seeds, 2, columns], and their means over the seeds in each draw [2, draws, columns]."""

    values: Array
    drawn: Array
    paired: bool = False

    def minus(self, other: Repeated) -> Repeated:
        """Paired differences over the same draws; seed by seed where both have as many."""
        mine, theirs = self.values, other.values
        if len(mine) != len(theirs):
            mine, theirs = mine.mean(axis=0, keepdims=True), theirs.mean(axis=0, keepdims=True)
        return Repeated(mine - theirs, self.drawn - other.drawn, paired=True)

    def estimates(self, column: int) -> dict[str, Any]:
        """Of each metric the mean, standard deviation over seeds, interval, every seed, and p of a difference."""
        made: dict[str, Any] = {}
        for k, metric in enumerate(METRICS):
            name = f"{metric}_difference" if self.paired else metric
            values, draws = self.values[:, k, column], self.drawn[k, :, column]
            if not np.isfinite(values).all():
                made[name] = None
                continue
            made[name] = float(values.mean())
            made[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
            if (ends := interval(draws)) is not None:
                made[f"{name}_ci95"] = list(ends)
            if self.paired and (chance := two_sided_p(draws)) is not None:
                made[f"{name}_p"] = chance
            made[f"{name}_seeds"] = [float(value) for value in values]
        return made


class Judged:
    """Truth [n, classes] against which predictions are held: a column for each class, then two macro means.

    Args:
        labels: 0, 1, or NaN where nobody knows.
        names: of the classes.
        clusters: of each record, such as its patient, drawn whole.
        min_support: positives that a class needs for the second macro mean.
    """

    def __init__(self, labels: NDArray[Any], names: Sequence[str], clusters: Sequence[str], min_support: int) -> None:
        self._labels, self._clusters = np.asarray(labels, np.float64), clusters
        self._known = np.isfinite(self._labels)
        self.positives = (self._labels == 1).sum(axis=0)
        self.negatives = (self._labels == 0).sum(axis=0)
        self.defined = (self.positives > 0) & (self.negatives > 0)
        self._macros = [np.flatnonzero(self.defined & (self.positives >= least)) for least in (1, min_support)]
        self.columns = [*(f"class:{name}" for name in names), "macro:all", f"macro:min{min_support}"]

    def facts(self, column: int) -> dict[str, Any]:
        """Counts of a column, and what a constant score would reach."""
        shares = self.positives / np.maximum(1, self.positives + self.negatives)
        if column >= len(shares):
            chosen = self._macros[column - len(shares)]
            chance = float(shares[chosen].mean()) if len(chosen) else None
            return {"classes": len(chosen), "baseline_auroc": 0.5, "baseline_auprc": chance}
        count, hits = int(self._known[:, column].sum()), int(self.positives[column])
        said: dict[str, Any] = {"n": count, "positives": hits, "baseline_auroc": 0.5}
        said["baseline_auprc"] = float(shares[column]) if count else None
        return said if self.defined[column] else said | {"undefined": f"no {'negative' if hits else 'positive'} record"}

    def measure(self, scores: Mapping[Key, Sequence[Array]], draws: int, seed: int) -> dict[Key, Repeated]:
        """Of each method, given by its scores [n, classes] of one or more seeds, all of them over the same draws."""
        ranked = {key: [self._ranked(one) for one in several] for key, several in scores.items()}
        whole = np.ones((1, len(self._labels)))
        values = {key: np.stack([self._areas(one, whole)[:, 0] for one in each]) for key, each in ranked.items()}
        blocks: dict[Key, list[Array]] = {key: [np.empty((2, 0, len(self.columns)))] for key in scores}
        enough = np.minimum(self.positives, self.negatives) >= 2
        for weights in draw_weights(len(self._labels), draws, seed, self._clusters):
            for key, each in ranked.items():
                blocks[key].append(np.mean([self._areas(one, weights, enough) for one in each], axis=0))
        return {key: Repeated(values[key], np.concatenate(blocks[key], axis=1)) for key in scores}

    def _ranked(self, scores: Array) -> list[Any]:
        known = self._known
        return [rank(self._labels[known[:, k], k], scores[known[:, k], k]) for k in range(known.shape[1])]

    def _areas(self, ranked: list[Any], weights: Array, enough: NDArray[np.bool_] | None = None) -> Array:
        """METRICS [2, draws, columns] under weightings [draws, n]; NaN for a class of which there is not `enough`.

        A draw in which a class is undefined has no macro mean: that of the others is another quantity.
        """
        able = self.defined if enough is None else enough
        found = np.full((2, len(weights), len(self.columns)), np.nan)
        for k in np.flatnonzero(able):
            found[:, :, k] = weighted_areas(ranked[k], weights[:, self._known[:, k]])
        for place, chosen in enumerate(self._macros, len(able)):
            if len(chosen):
                found[:, :, place] = found[:, :, chosen].mean(axis=2)
        return found

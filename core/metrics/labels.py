"""Multi-label predictions against truth: per class and macro, with bootstrap intervals and a trivial baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.bootstrap import draw_weights
from medpipe.core.metrics.estimates import Estimate, Row, estimate
from medpipe.core.metrics.roc import Ranked, rank, threshold_row, weighted_areas, youden_threshold
from medpipe.core.metrics.table import text_table, with_interval

Array = NDArray[np.float64]
METRICS = ("auroc", "auprc")


@dataclass(slots=True)
class LabelMetrics:
    """Metrics of one stream of predictions, or paired differences of two."""

    rows: list[Row]
    paired: bool = False

    def records(self) -> list[dict[str, Any]]:
        """One JSON object for each class and each macro mean."""
        return [row.record("_difference" if self.paired else "") for row in self.rows]

    def table(self) -> str:
        """The rows as text; of two streams both values, then the difference with a sign and a p."""
        header = ["", "n", "positive"]
        if self.paired:
            header += [f"{name}{part}" for name in ("AUROC", "AUPRC") for part in ("", " against", " difference", " p")]
        else:
            header += ["AUROC", "AUPRC", "by chance", "threshold", "sens.", "spec."]
        return text_table([self._cells(row) for row in self.rows], header)

    def _cells(self, row: Row) -> list[str]:
        cells = [row.id, str(row.facts.get("n", "")), str(row.facts.get("positives", row.facts.get("classes", "")))]
        if self.paired:
            return cells + [cell for metric in METRICS for cell in _paired_cells(row, metric)]
        cells += [with_interval(row.estimates[m].value, row.estimates[m].interval) for m in METRICS]
        chance = row.facts.get("baseline_auprc")
        best = next((one for one in row.thresholds if one.get("best")), {})
        return [
            *cells,
            "-" if chance is None else f"{chance:.3f}",
            *("" if best.get(k) is None else f"{best[k]:.3f}" for k in ("threshold", "sensitivity", "specificity")),
        ]


def _paired_cells(row: Row, metric: str) -> list[str]:
    difference = row.estimates[metric]
    sides = [with_interval(row.facts.get(name), None) for name in (metric, f"{metric}_against")]
    change = with_interval(difference.value, difference.interval, signed=True)
    return [*sides, change, "-" if difference.p is None else f"{difference.p:.3f}"]


def score_labels(
    labels: NDArray[Any],
    scores: NDArray[Any],
    names: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    clusters: Sequence[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    min_support: int = 10,
) -> LabelMetrics:
    """AUROC, average precision and threshold tables of each class, and their macro means.

    Args:
        labels: [n, classes], 0 or 1, NaN where nobody knows: such a record takes no part in that class.
        scores: [n, classes].
        names: of the classes.
        thresholds: rows for these in each class's table, beside the one that maximises Youden's index.
        clusters: draw whole clusters, such as patients, rather than records.
        draws: bootstrap draws; 0 for no intervals.
        seed: of the draws.
        min_support: positives that a class needs for the second macro mean.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    parts = [_Class(labels[:, k], scores[:, k]) for k in range(len(names))]
    drawn = _draw([parts], len(labels), clusters, draws, seed)[0]
    rows = []
    for k, (name, part) in enumerate(zip(names, parts, strict=True)):
        row = Row(f"class:{name}", part.facts(), _estimates(part.values, drawn[:, :, k]))
        if part.defined:
            given = [threshold_row(part.labels, part.scores, one) for one in thresholds or []]
            best = threshold_row(part.labels, part.scores, youden_threshold(part.labels, part.scores))
            row.thresholds = [*given, {**best, "best": "youden"}]
        undefined = int(np.isnan(drawn[0, :, k]).sum())
        if part.defined and undefined:
            row.facts["draws_undefined"] = undefined
        rows.append(row)
    return LabelMetrics(rows + _macros(parts, np.stack([part.values for part in parts], axis=1), drawn, min_support))


def compare_labels(
    labels: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    names: Sequence[str],
    *,
    clusters: Sequence[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    min_support: int = 10,
) -> LabelMetrics:
    """Paired differences, first minus second, over the same draws; arguments as in `score_labels`."""
    labels = np.asarray(labels, np.float64)
    sides = [
        [_Class(labels[:, k], np.asarray(side, np.float64)[:, k]) for k in range(len(names))]
        for side in (first, second)
    ]
    one, other = _draw(sides, len(labels), clusters, draws, seed)
    both = np.stack([np.stack([part.values for part in side], axis=1) for side in sides])
    rows = [
        Row(
            f"class:{name}",
            sides[0][k].facts() | _sides(both[:, :, k]),
            _estimates(both[0, :, k] - both[1, :, k], (one - other)[:, :, k], paired=True),
        )
        for k, name in enumerate(names)
    ]
    return LabelMetrics(rows + _macros(sides[0], both[0] - both[1], one - other, min_support, both), paired=True)


def _sides(values: Array) -> dict[str, float | None]:
    """The metrics [2, metrics] of both sides of a comparison, by name."""
    named = zip(("", "_against"), values, strict=True)
    return {
        metric + suffix: float(value) if np.isfinite(value) else None
        for suffix, side in named
        for metric, value in zip(METRICS, side, strict=True)
    }


class _Class:
    """The known records of one class."""

    def __init__(self, labels: Array, scores: Array) -> None:
        self.known = np.isfinite(labels) & np.isfinite(scores)
        self.labels, self.scores = labels[self.known], scores[self.known]
        self.positives = int((self.labels > 0.5).sum())
        self.defined = 0 < self.positives < len(self.labels)
        self.ranked: Ranked = rank(self.labels, self.scores)
        self.values = np.full(2, np.nan)
        if self.defined:
            self.values = np.array([area[0] for area in self.areas(np.ones((1, len(labels))))])

    def drawn(self, weights: Array) -> tuple[Array, Array]:
        """`areas` of bootstrap draws; of a single record on one side, resampling tells nothing."""
        if min(self.positives, len(self.labels) - self.positives) < 2:
            return (np.full(len(weights), np.nan),) * 2
        return self.areas(weights)

    def areas(self, weights: Array) -> tuple[Array, Array]:
        """AUROC and average precision under weightings of all records."""
        if not self.defined:
            return (np.full(len(weights), np.nan),) * 2
        return weighted_areas(self.ranked, weights[:, self.known])

    def facts(self) -> dict[str, Any]:
        """Counts, and what a constant score would reach."""
        count = len(self.labels)
        facts: dict[str, Any] = {"n": count, "positives": self.positives, "baseline_auroc": 0.5}
        facts["baseline_auprc"] = self.positives / count if count else None
        if not self.defined:
            facts["undefined"] = "no positive record" if self.positives == 0 else "no negative record"
        return facts


def _draw(
    sides: Sequence[Sequence[_Class]], records: int, clusters: Sequence[str] | None, draws: int, seed: int
) -> list[Array]:
    """[metrics, draws, classes] for each side, all of them over the same draws."""
    found: list[list[Array]] = [[] for _ in sides]
    for weights in draw_weights(records, draws, seed, clusters):
        for place, parts in enumerate(sides):
            found[place].append(np.stack([np.stack(part.drawn(weights)) for part in parts], axis=2))
    empty = np.empty((2, 0, len(sides[0])))
    return [np.concatenate([empty, *blocks], axis=1) for blocks in found]


def _estimates(values: Array, drawn: Array, *, paired: bool = False) -> dict[str, Estimate]:
    each = zip(METRICS, values, drawn, strict=True)
    return {metric: estimate(float(value), draws, paired=paired) for metric, value, draws in each}


def _macros(
    parts: Sequence[_Class], values: Array, drawn: Array, min_support: int, both: Array | None = None
) -> list[Row]:
    """The mean over all defined classes, and over those with enough positives; of a comparison `both` sides too.

    A draw in which one of the classes is undefined takes no part: the mean of the others is another quantity.
    """
    rows = []
    for label, least in (("all", 1), (f"min{min_support}", min_support)):
        chosen = [k for k, part in enumerate(parts) if part.defined and part.positives >= least]
        facts: dict[str, Any] = {"classes": len(chosen), "baseline_auroc": 0.5}
        if not chosen:
            rows.append(Row(f"macro:{label}", facts, {metric: Estimate(None) for metric in METRICS}))
            continue
        facts["baseline_auprc"] = float(np.mean([parts[k].positives / len(parts[k].labels) for k in chosen]))
        if both is not None:
            facts |= _sides(both[:, :, chosen].mean(axis=2))
        mean = drawn[:, :, chosen].mean(axis=2)
        if undefined := int(np.isnan(mean[0]).sum()):
            facts["draws_undefined"] = undefined
        rows.append(
            Row(
                f"macro:{label}",
                facts,
                _estimates(values[:, chosen].mean(axis=1), mean, paired=both is not None),
            )
        )
    return rows

"""All metrics of boxes: of each label and over all, with intervals by image, and paired differences of two runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics import rodeo
from medpipe.core.metrics.bootstrap import draw_weights
from medpipe.core.metrics.box_precision import Found, average_precisions, match
from medpipe.core.metrics.box_presence import RATES, best_overlaps, left_alone, sensitivities
from medpipe.core.metrics.box_sets import ImageBoxes
from medpipe.core.metrics.estimates import Estimate, Row, estimate

Array = NDArray[np.float64]
Values = dict[tuple[str, str], Array]
# Overlaps at which AP is given, and those whose mean is COCO's `ap`.
SINGLE: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75)
COCO: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_IOUS: Final = tuple(sorted({*SINGLE, *COCO}))
ALL: Final = "all"


class BoxPanel:
    """The boxes of one run, matched once; metrics under any weighting of its images."""

    def __init__(self, images: Sequence[ImageBoxes], names: Sequence[str], froc_iou: float = 0.5) -> None:
        self.images, self.names = images, names
        ious = tuple(sorted({*_IOUS, froc_iou}))
        self._columns = {iou: ious.index(iou) for iou in ious}
        self._froc = ious.index(froc_iou)
        self._found: list[Found] = [match(images, label, ious) for label in range(len(names))]
        self._overlaps = [best_overlaps(images, label) for label in range(len(names))]
        self._alone = [left_alone(images, label) for label in range(len(names))]
        self._rodeo = rodeo.image_sums(images, len(names)) if len(names) > 1 else None

    def values(self, weights: Array) -> Values:
        """Metrics [draws] by row and name, under weightings [draws, images]."""
        made: Values = {}
        precisions = []
        for label, name in enumerate(self.names):
            found = average_precisions(self._found[label], weights)
            precisions.append(found)
            made |= self._precision(name, found)
            made |= self._shares(name, weights, self._overlaps[label], self._alone[label])
        with_truth = [found for found, one in zip(precisions, self._found, strict=True) if one.there.sum()]
        if with_truth:
            made |= self._precision(ALL, np.stack(with_truth).mean(axis=0))
        made |= self._shares(ALL, weights, np.sum(self._overlaps, axis=0), np.sum(self._alone, axis=0))
        rates = sensitivities(self._found, self._froc, weights)
        made |= {(ALL, f"froc@{rate:g}"): rates[:, k] for k, rate in enumerate(RATES)}
        made[ALL, "froc"] = rates.mean(axis=1)
        if self._rodeo is not None:
            scores = rodeo.scores(self._rodeo, weights, len(self.names))
            made |= {(ALL, f"rodeo_{part}"): scores[:, k] for k, part in enumerate(rodeo.NAMES)}
        return made

    def _precision(self, row: str, found: Array) -> Values:
        made = {(row, f"ap{100 * iou:.0f}"): found[:, self._columns[iou]] for iou in SINGLE}
        return made | {(row, "ap"): found[:, [self._columns[iou] for iou in COCO]].mean(axis=1)}

    def _shares(self, row: str, weights: Array, overlap: Array, alone: Array) -> Values:
        with np.errstate(invalid="ignore", divide="ignore"):
            best, negatives = weights @ overlap, weights @ alone
            return {(row, "best_iou"): best[:, 0] / best[:, 1], (row, "specificity"): negatives[:, 1] / negatives[:, 0]}

    def facts(self, row: str) -> dict[str, Any]:
        """Counts behind a row."""
        chosen = range(len(self.names)) if row == ALL else [self.names.index(row)]
        return {
            "images": len(self.images),
            "boxes": int(sum(self._found[label].there.sum() for label in chosen)),
            "found": int(sum(len(self._found[label].scores) for label in chosen)),
            "negatives": int(sum(self._alone[label][:, 0].sum() for label in chosen)),
        }


def score_boxes(panels: Sequence[BoxPanel], draws: int, seed: int, clusters: Sequence[str] | None = None) -> list[Row]:
    """Rows of one run, or of the paired differences of two, the first minus the second.

    Args:
        panels: of the same images in the same order.
        draws: of the bootstrap; 0 for no intervals.
        seed: of the draws.
        clusters: of each image, such as its patient, drawn whole; None draws images.
    """
    count = len(panels[0].images)
    whole = [panel.values(np.ones((1, count))) for panel in panels]
    drawn: list[list[Values]] = [[] for _ in panels]
    for weights in draw_weights(count, draws, seed, clusters):
        for kept, panel in zip(drawn, panels, strict=True):
            kept.append(panel.values(weights))
    rows = []
    for name in [*panels[0].names, ALL]:
        estimates: dict[str, Estimate] = {}
        facts = panels[0].facts(name)
        for key in (key for key in whole[0] if key[0] == name):
            values = [float(one[key][0]) if key in one else np.nan for one in whole]
            draws_of = [np.concatenate([part[key] for part in kept]) if kept else np.zeros(0) for kept in drawn]
            if len(panels) == 1:
                estimates[key[1]] = estimate(values[0], draws_of[0])
            else:
                facts[key[1]], facts[f"{key[1]}_against"] = (v if np.isfinite(v) else None for v in values)
                estimates[key[1]] = estimate(values[0] - values[1], draws_of[0] - draws_of[1], paired=True)
        rows.append(Row(name, facts, estimates))
    return rows

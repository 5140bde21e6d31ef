"""Average precision of boxes as COCO defines it, under weightings of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.box_overlap import overlaps
from medpipe.core.metrics.box_sets import ImageBoxes

Array = NDArray[np.float64]
# The boxes of an image and label that count, the best first.
MOST: Final = 100
_RECALLS: Final = np.linspace(0, 1, 101)
_TINY: Final = np.spacing(1)


@dataclass(frozen=True, slots=True)
class Found:
    """All boxes found of a label, the best first: whether each is right [ious, n], its score and its image [n].

    `there` [images] is how many the truth has.
    """

    right: NDArray[np.bool_]
    scores: Array
    image: NDArray[np.int64]
    there: Array


def match(images: Sequence[ImageBoxes], label: int, ious: Sequence[float]) -> Found:
    """Greedy matching, the best box first, each to the box that it overlaps most of those not taken."""
    right, scores, place, there = [], [], [], np.zeros(len(images))
    for number, whole in enumerate(images):
        one = whole.of(label)
        order = np.argsort(-one.scores, kind="mergesort")[:MOST]
        there[number] = len(one.there)
        scores.append(one.scores[order])
        place.append(np.full(len(order), number))
        right.append(_matched(overlaps(one.found[order], one.there), ious))
    joined = np.concatenate(scores) if scores else np.zeros(0)
    order = np.argsort(-joined, kind="mergesort")
    hits = np.concatenate(right, axis=1) if right else np.zeros((len(ious), 0), bool)
    images_of = np.concatenate(place).astype(np.int64) if place else np.zeros(0, np.int64)
    return Found(hits[:, order], joined[order], images_of[order], there)


def _matched(overlap: Array, ious: Sequence[float]) -> NDArray[np.bool_]:
    """Of an image, whether each box found [n] is right at each threshold; overlaps [n, m]."""
    right = np.zeros((len(ious), len(overlap)), bool)
    for row, least in enumerate(ious):
        free = np.ones(overlap.shape[1], bool)
        for box in range(len(overlap)):
            open_to = np.where(free, overlap[box], -1.0)
            # Of equal ones the last, as COCO's loop takes it.
            best = len(open_to) - 1 - int(open_to[::-1].argmax()) if len(open_to) else -1
            if best >= 0 and open_to[best] >= min(least, 1 - 1e-10):
                free[best], right[row, box] = False, True
    return right


def average_precisions(found: Found, weights: Array) -> Array:
    """AP [draws, ious] under weightings [draws, images]; NaN where a draw has no box of the label."""
    out = np.full((len(weights), len(found.right)), np.nan)
    for draw, weight in enumerate(weights):
        positives = float(weight @ found.there)
        if positives:
            out[draw] = _area(found.right * weight[found.image], weight[found.image], positives)
    return out


def _area(right: Array, weight: Array, positives: float) -> Array:
    """AP [ious] from weighted hits [ious, n] and weights [n], by 101 recalls."""
    hits = np.cumsum(right, axis=1)
    recall = hits / positives
    precision = hits / (np.cumsum(weight) + _TINY)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.concatenate([envelope, np.zeros((len(envelope), 1))], axis=1)
    places = [np.searchsorted(row, _RECALLS, side="left") for row in recall]
    return np.array([values[place].mean() for values, place in zip(padded, places, strict=True)])

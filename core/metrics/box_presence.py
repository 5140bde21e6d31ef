"""Boxes as answers to whether and where: false boxes an image, sensitivity at so many, images that are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.box_overlap import overlaps
from medpipe.core.metrics.box_precision import Found
from medpipe.core.metrics.box_sets import ImageBoxes

Array = NDArray[np.float64]
# Mean false boxes an image at which LUNA16 and its kin read sensitivity.
RATES: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def best_overlaps(images: Sequence[ImageBoxes], label: int) -> Array:
    """Of each image [images, 2]: the sum over the boxes that are there of the best overlap found, and their number."""
    out = np.zeros((len(images), 2))
    for row, whole in enumerate(images):
        one = whole.of(label)
        if len(one.there):
            best = overlaps(one.there, one.found).max(axis=1) if len(one.found) else np.zeros(len(one.there))
            out[row] = best.sum(), len(best)
    return out


def left_alone(images: Sequence[ImageBoxes], label: int) -> Array:
    """Of each image [images, 2]: whether it was asked for a label that it has not, and whether no box was found."""
    out = np.zeros((len(images), 2))
    for row, one in enumerate(images):
        if label in one.asked and label not in one.truth:
            out[row] = 1, label not in one.labels
    return out


def sensitivities(found: Sequence[Found], row: int, weights: Array) -> Array:
    """FROC [draws, rates]: the share of all boxes that are right at each mean number of false boxes an image.

    Args:
        found: of every label, their boxes pooled by score; `scores` must be comparable over labels.
        row: which overlap decides.
        weights: [draws, images].
    """
    there = np.sum([one.there for one in found], axis=0)
    right = np.concatenate([one.right[row] for one in found])
    image = np.concatenate([one.image for one in found])
    order = np.argsort(-np.concatenate([one.scores for one in found]), kind="mergesort")
    right, image = right[order], image[order]
    out = np.full((len(weights), len(RATES)), np.nan)
    for draw, weight in enumerate(weights):
        positives = float(weight @ there)
        if positives:
            times = weight[image]
            false = np.cumsum(times * ~right) / weight.sum()
            hits = np.concatenate([[0.0], np.cumsum(times * right) / positives])
            out[draw] = hits[np.searchsorted(false, RATES, side="right")]
    return out

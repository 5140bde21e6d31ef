"""RoDeO: localisation, shape and class of boxes matched one to one (Meissen et al. 2023, arXiv 2303.01920)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.box_overlap import Boxes, general_overlaps, overlaps
from medpipe.core.metrics.box_sets import ImageBoxes

Array = NDArray[np.float64]
NAMES: Final = ("localisation", "shape", "class", "total")
_SMALL: Final = 1e-6


def image_sums(images: Sequence[ImageBoxes], labels: int) -> Array:
    """Of each image [images, 6]: matched, extra and missed boxes, sums of localisation and shape, and right labels.

    The weight of the label in the matching is the Matthews correlation of labels found and there over all images.
    ValueError for less than two labels.
    """
    if labels < 2:
        raise ValueError("RoDeO needs at least two labels")
    weight = _label_weight(images, labels)
    return np.array([_image(one, weight) for one in images]).reshape(-1, 6)


def scores(sums: Array, weights: Array, labels: int) -> Array:
    """[draws, 4] as NAMES, under weightings [draws, images]; 0 where nothing is matched."""
    matched, extra, missed, near, alike, right = (weights @ sums).T
    whole = matched + extra + missed
    share = np.divide(matched, whole, out=np.zeros(len(whole)), where=whole > 0)
    some = np.maximum(matched, 1e-12)
    agreement = _correlation(right, matched - right, matched - right, matched * (labels - 2) + right)
    parts = np.stack([near / some, alike / some, np.clip(agreement, 0, None)], axis=1) * share[:, None]
    total = 3 / (1 / (parts + _SMALL)).sum(axis=1)
    return np.concatenate([parts, np.where(matched > 0, total, 0.0)[:, None]], axis=1)


def _label_weight(images: Sequence[ImageBoxes], labels: int) -> float:
    found, there = np.zeros((len(images), labels), bool), np.zeros((len(images), labels), bool)
    for row, one in enumerate(images):
        found[row, one.labels], there[row, one.truth] = True, True
    both, only_found, only_there = (
        np.asarray(side.sum(), np.float64) for side in (found & there, found & ~there, ~found & there)
    )
    return max(0.0, float(_correlation(both, only_found, only_there, found.size - both - only_found - only_there)))


def _correlation(both: Array, only_found: Array, only_there: Array, neither: Array) -> Array:
    """Matthews correlation of a table of four; 0 where a side is constant."""
    sides = (both + only_found) * (both + only_there) * (neither + only_found) * (neither + only_there)
    product = both * neither - only_found * only_there
    return np.divide(product, np.sqrt(sides), out=np.zeros(np.shape(product)), where=np.asarray(sides) > 0)


def _image(one: ImageBoxes, weight: float) -> list[float]:
    from scipy.optimize import linear_sum_assignment

    same = one.labels[:, None] == one.truth[None, :]
    rows, columns = linear_sum_assignment(-general_overlaps(one.found, one.there) - weight * same)
    found, there = one.found[rows], one.there[columns]
    return [
        len(rows), len(one.found) - len(rows), len(one.there) - len(rows),
        float(_nearness(found, there).sum()), float(_likeness(found, there).sum()), float(same[rows, columns].sum()),
    ]  # fmt: skip


def _nearness(found: Boxes, there: Boxes) -> Array:
    """1 for the same centre, one half for a centre that is off by the size of the box that is there."""
    size = np.maximum(there[:, 2:] - there[:, :2], 1e-12)
    off = ((found[:, :2] + found[:, 2:]) - (there[:, :2] + there[:, 2:])) / 2 / size
    return np.asarray(np.exp(-np.log(2) * np.square(off).sum(axis=1)))


def _likeness(found: Boxes, there: Boxes) -> Array:
    """Intersection over union when the corners are put one over the other."""
    moved = np.concatenate([there[:, :2], there[:, :2] + found[:, 2:] - found[:, :2]], axis=1)
    return np.array([overlaps(one[None], other[None])[0, 0] for one, other in zip(moved, there, strict=True)])

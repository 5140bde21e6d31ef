"""Boxes that overlap: intersection over union, and the removal of lesser boxes of one label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def overlaps(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Intersection over union [n, m] of boxes [n, 4] and [m, 4] as x, y, x, y; 0 where both are empty."""
    first, second = np.asarray(one, np.float64).reshape(-1, 1, 4), np.asarray(other, np.float64).reshape(1, -1, 4)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    areas = [np.clip(side[..., 2:] - side[..., :2], 0, None).prod(axis=-1) for side in (first, second)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)


def suppress(boxes: Boxes, scores: NDArray[np.float64], most: float) -> list[int]:
    """Which boxes stay, the best first: each that overlaps no better one that stays by more than `most`."""
    kept: list[int] = []
    overlap = overlaps(boxes, boxes)
    for place in np.argsort(-np.asarray(scores), kind="stable"):
        if all(overlap[place, other] <= most for other in kept):
            kept.append(int(place))
    return kept

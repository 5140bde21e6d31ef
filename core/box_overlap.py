"""How much boxes overlap. Boxes are x, y, x, y: the left and upper edge, the right and lower one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Overlaps = NDArray[np.float64]


def overlaps(one: Boxes, other: Boxes) -> Overlaps:
    """Intersection over union [n, m] of boxes [n, 4] and [m, 4]; 0 where both are empty."""
    shared, union, _ = _areas(one, other)
    return np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)


def general_overlaps(one: Boxes, other: Boxes) -> Overlaps:
    """Generalised intersection over union [n, m], -1 to 1 (Rezatofighi et al. 2019, arXiv 1902.09630)."""
    shared, union, around = _areas(one, other)
    inside = np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)
    return inside - np.divide(around - union, around, out=np.zeros(union.shape), where=around > 0)


def _areas(one: Boxes, other: Boxes) -> tuple[Overlaps, Overlaps, Overlaps]:
    """Of each pair the area of the intersection, of the union, and of the smallest box around both."""
    first, second = np.asarray(one, np.float64).reshape(-1, 1, 4), np.asarray(other, np.float64).reshape(1, -1, 4)
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [np.clip(side[..., 2:] - side[..., :2], 0, None).prod(axis=-1) for side in (first, second)]
    around = np.maximum(first[..., 2:], second[..., 2:]) - np.minimum(first[..., :2], second[..., :2])
    return shared, areas[0] + areas[1] - shared, np.clip(around, 0, None).prod(axis=-1)

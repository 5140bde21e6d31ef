"""The removal of boxes that overlap a better one of the same label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.core.box_overlap import Boxes, overlaps


def suppress(boxes: Boxes, scores: NDArray[np.float64], most: float) -> list[int]:
    """Which boxes stay, the best first: each that overlaps no better one that stays by more than `most`."""
    kept: list[int] = []
    overlap = overlaps(boxes, boxes)
    for place in np.argsort(-np.asarray(scores), kind="stable"):
        if all(overlap[place, other] <= most for other in kept):
            kept.append(int(place))
    return kept

"""Words placed on volumes: what a volume's features owe to each word.

Of words that a text gives by volume no more is known than the volume: they lie evenly in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Placement = Literal["lanczos", "sum"]
# Lobes of the kernel (Huth et al. 2016, doi:10.1038/nature17637).
LOBES: Final = 3


def even_times(counts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    """When each word is said, in volumes, of volumes with so many words; [words]."""
    parts = [volume + (np.arange(count) + 0.5) / count for volume, count in enumerate(counts) if count > 0]
    return np.concatenate(parts) if parts else np.empty(0)


def placed(time: float, volumes: int, placement: Placement) -> tuple[int, NDArray[np.float64]]:
    """The first volume that a word reaches, and its weight in that volume and those after it.

    `sum`: its own volume. `lanczos`: what three lobes at the rate of volumes give in the middle of each.

    Args:
        time: of the word, in volumes.
        volumes: of the run, at whose ends weights are cut off.
        placement: which.
    """
    if placement == "sum":
        return floor(time), np.ones(1)
    first, last = max(0, ceil(time - 0.5 - LOBES)), min(volumes - 1, floor(time - 0.5 + LOBES))
    away = np.arange(first, last + 1) + 0.5 - time
    return first, np.sinc(away) * np.sinc(away / LOBES)


def reach(placement: Placement) -> int:
    """The most volumes that a word reaches."""
    return 1 if placement == "sum" else 2 * LOBES + 1


def on_volumes(
    vectors: NDArray[Any], times: NDArray[np.float64], volumes: int, placement: Placement
) -> NDArray[np.float32]:
    """Vectors of words [words, n] said at these times, in volumes -> features [volumes, n]."""
    made = np.zeros((volumes, vectors.shape[1]))
    for vector, time in zip(vectors, times, strict=True):
        first, weights = placed(float(time), volumes, placement)
        made[first : first + len(weights)] += weights[:, None] * vector
    return made.astype(np.float32)

"""Is an observed score beyond what it would be by chance?"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.text.metric import Array, falls

# Sums of the same numbers in another order are equal scores.
_ALIKE: Final = 1e-9


def judge(name: str, observed: float, null: Array, moved: Array | None = None) -> dict[str, Any] | None:
    """A metric's score against its null [n]: the null's mean and deviation, z and p.

    z is positive where the observed is the better, and of `moved` where that is given, a null of which no part is as
    observed. p = (1 + #{null as good or better}) / (1 + n). None where either is undefined.
    """
    if not np.isfinite(observed) or not np.isfinite(null).all():
        return None
    sign = -1 if falls(name) else 1
    reached = int((sign * null >= sign * observed - _ALIKE).sum())
    spread = null if moved is None else moved
    deviation = float(spread.std(ddof=1)) if len(spread) > 1 else 0.0
    z = float(sign * (observed - spread.mean()) / deviation) if deviation > _ALIKE else None
    return {"mean": float(spread.mean()), "sd": deviation, "z": z, "p": (1 + reached) / (1 + len(null))}


def combine_shifts(sizes: Sequence[int], count: int, seed: int) -> NDArray[np.int64]:
    """Which of its shifts each story takes [combinations, stories]: all combinations, or `count` drawn ones."""
    if prod(sizes) <= count + 1:
        return np.indices(sizes).reshape(len(sizes), -1).T
    return np.random.default_rng(seed).integers(0, sizes, (count, len(sizes)))

"""Window identification: is what was decoded from a window closest to what was said in it?

The rank of the true window among all windows of its story has a known chance level, 0.5, and no length or frequent
word can raise it. Its null shifts what was decoded around the story by more than a window's haemodynamic overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.metrics.rank_accuracy import rank_accuracy

WINDOW = 10
SHIFTS = 999
# Volumes; 30 s at a TR of 2 s.
LEAST_SHIFT = 15


@dataclass(frozen=True, slots=True)
class Identification:
    """What was found over all stories.

    Args:
        rank_accuracy: mean over windows of the share of other windows that are less like what was decoded; 0.5 by
            chance.
        top1: share of windows whose own is the most alike.
        p: share of shifts, the true placement among them, that do as well or better.
        null: [shifts], rank accuracies.
        windows: how many.
    """

    rank_accuracy: float
    top1: float
    p: float
    null: NDArray[np.float64] = field(repr=False)
    windows: int


def identify(
    decoded: Sequence[NDArray[Any]],
    true: Sequence[NDArray[Any]],
    rng: np.random.Generator,
    window: int = WINDOW,
    shifts: int = SHIFTS,
    least_shift: int = LEAST_SHIFT,
) -> Identification:
    """Rank accuracy of held-out stories, and how often a circular shift within each story does as well.

    Args:
        decoded: features of each story, [time, features].
        true: as many.
        rng: draws one shift for each story and time.
        window: volumes; windows touch, and a remainder is left out.
        shifts: how many; p is (1 + those that do as well) / (1 + shifts).
        least_shift: volumes, in either direction. Where it is much of a story, p is too often near 0 and near 1: of
            240 s and a shift of 30 s 9 % of listeners without any signal have p below 0.05, of 600 s 5 %.

    Raises:
        InputError: a story has fewer than two windows, or is too short to be shifted.
    """
    if len(decoded) != len(true) or not true:
        raise InputError("bad-shape", f"{len(decoded)} stories decoded, {len(true)} true")
    stories = [_Story(one, other, window, least_shift) for one, other in zip(decoded, true, strict=True)]
    sizes = np.array([one.windows for one in stories])
    observed = np.array([one.score(0) for one in stories])
    null = np.zeros(shifts)
    for one, size in zip(stories, sizes, strict=True):
        null += size * one.nulls(rng.integers(least_shift, one.length - least_shift + 1, shifts))
    null /= sizes.sum()
    accuracy, top1 = sizes @ observed / sizes.sum()
    # Sums in another order must not decide between equals.
    better = int((null >= accuracy - 1e-12).sum())
    return Identification(float(accuracy), float(top1), (1 + better) / (1 + shifts), null, int(sizes.sum()))


class _Story:
    """Windows of one story: what was said in each, and what was decoded, at any shift."""

    def __init__(self, decoded: NDArray[Any], true: NDArray[Any], window: int, least_shift: int) -> None:
        if decoded.shape != true.shape:
            raise InputError("bad-shape", f"decoded {decoded.shape}, true {true.shape}: they must be alike")
        self.length, self.windows = len(true), len(true) // window
        if self.windows < 2 or self.length < 2 * least_shift:
            raise InputError("too-short", f"{self.length} volumes have no two windows, or no room to be shifted")
        self._window = window
        self._decoded = decoded - decoded.mean(axis=0, dtype=np.float64)
        self._true = _unit(self._means(true - true.mean(axis=0, dtype=np.float64)))
        self._known: dict[int, float] = {}

    def _means(self, course: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = course[: self.windows * self._window]
        made: NDArray[np.float64] = kept.reshape(self.windows, self._window, -1).mean(axis=1)
        return made

    def score(self, shift: int) -> tuple[float, float]:
        """Rank accuracy and top-1 when what was decoded lies `shift` volumes later."""
        # Rounded, so that what is equal but for the order of sums is equal.
        alike = np.round(_unit(self._means(np.roll(self._decoded, shift, axis=0))) @ self._true.T, 9)
        # A tie is half a win: decoding the same everywhere is chance.
        own = np.diagonal(rank_accuracy(alike))
        return float(own.mean()), float((own == 1).mean())

    def nulls(self, shifts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rank accuracies at these shifts; each is found once."""
        for shift in np.unique(shifts):
            self._known.setdefault(int(shift), self.score(int(shift))[0])
        return np.array([self._known[int(shift)] for shift in shifts])


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1 about their own means, so that products are correlations; 0 for a constant one."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    made: NDArray[np.float64] = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    return made

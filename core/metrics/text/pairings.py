"""How a story's windows are paired anew for a null: shifted in a circle, or shuffled in blocks.

Windows that are near in time are alike whatever was decoded, so that no null moves them one by one or only a little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.text.metric import Array, Scores

Orders = NDArray[np.int64]
# Places at once, so that memory stays bounded.
_BLOCK: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Pairing:
    """Circular shifts, in windows, that are far enough, and the windows of a block that is shuffled."""

    shifts: list[int]
    block: int

    @classmethod
    def of(cls, times: Array, least: float, block: int | None) -> Pairing:
        """Blocks are as long as the shortest far shift unless given; without such a shift the story is one block."""
        shifts = far_shifts(times, least)
        return cls(shifts, block or (shifts[0] if shifts else len(times)))


@dataclass(frozen=True, slots=True)
class PairedAnew:
    """Mean scores of a story under its far shifts [shifts] and drawn shuffles [draws]; empty where it has none."""

    shift: Scores
    shuffle: Scores


def pair_anew(crossed: Scores, pairing: Pairing, count: int, seed: tuple[int, int]) -> PairedAnew:
    """Of the scores of every pair of windows [windows, windows]; `count` shuffles."""
    windows = len(next(iter(crossed.values())))
    shifted = {name: shifted_means(scores, pairing.shifts) for name, scores in crossed.items()}
    if windows <= pairing.block:
        return PairedAnew(shifted if pairing.shifts else {}, {})
    parts: dict[str, list[Array]] = {name: [] for name in crossed}
    for orders in shuffles(windows, pairing.block, count, seed):
        for name, scores in crossed.items():
            parts[name].append(scores[np.arange(windows), orders].mean(axis=1))
    shuffled = {name: np.concatenate(several) for name, several in parts.items()}
    return PairedAnew(shifted if pairing.shifts else {}, shuffled)


def far_shifts(times: Array, least: float) -> list[int]:
    """Shifts that move every window by more than `least`, in the unit of `times` [windows], which rise."""
    after = (np.arange(len(times))[:, None] + np.arange(1, len(times))) % len(times)
    moved = np.abs(times[after] - times[:, None]).min(axis=0, initial=np.inf)
    return (np.flatnonzero(moved > least) + 1).tolist()


def shifted_means(crossed: Array, shifts: list[int]) -> Array:
    """Of each shift the mean score, where `crossed` [windows, windows] is of every pair."""
    places = np.arange(len(crossed))
    return np.array([crossed[places, (places + shift) % len(places)].mean() for shift in shifts])


def shuffles(windows: int, block: int, count: int, seed: tuple[int, int]) -> Iterator[Orders]:
    """`count` orders of the windows in which blocks of neighbours have changed places: [some, windows] at a time."""
    rng = np.random.default_rng(seed)
    member = np.arange(windows) // block
    some = max(1, _BLOCK // windows)
    for start in range(0, count, some):
        ranks = rng.random((min(some, count - start), int(member[-1]) + 1)).argsort(axis=1)
        yield np.argsort(ranks[:, member], axis=1, kind="stable")

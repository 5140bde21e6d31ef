"""The targets of a regression, story by story, read a block of columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

# How stories are held out: each by itself, in so many parts of their order, or those of the same number together.
Folds = int | Sequence[int] | None


class Stored(Protocol):
    """An array [time, targets], in memory or in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        ...

    def __getitem__(self, key: Any) -> Any: ...


@dataclass(slots=True)
class Targets:
    """Stories of targets in folds, each held out once.

    Args:
        stories: each [time, targets].
        folds: the stories of each fold.
        bounds: where each fold begins, one after another, and where the last ends.
        mean: [targets], over all stories.
    """

    stories: Sequence[Stored]
    folds: list[NDArray[np.intp]]
    bounds: NDArray[np.intp]
    mean: NDArray[np.float64]

    @classmethod
    def of(cls, features: Sequence[NDArray[Any]], stories: Sequence[Stored], folds: Folds) -> Targets:
        """Those that go with features. InputError where they do not fit, or make one fold only."""
        if len(features) < 2:
            raise InputError("too-few", "a story is held out to choose the penalty: give two at least")
        if isinstance(folds, int) and not 2 <= folds <= len(features):
            raise ValueError(f"{folds} folds of {len(features)} stories")
        if len(stories) != len(features):
            raise InputError("bad-shape", f"{len(features)} stories of features, {len(stories)} of targets")
        for place, (x, y) in enumerate(zip(features, stories, strict=True)):
            if len(x) != y.shape[0]:
                raise InputError("bad-shape", f"story {place}: {len(x)} times of features, {y.shape[0]} of targets")
            if x.shape[1] != features[0].shape[1] or y.shape[1] != stories[0].shape[1]:
                raise InputError("bad-shape", f"story {place} has another number of features or targets")
            if not np.isfinite(x).all():
                raise InputError("not-finite", f"story {place}: a feature is no number")
        grouped = _grouped(len(features), folds)
        if len(grouped) < 2:
            raise InputError("too-few", "a story is held out to choose the penalty: give two at least")
        bounds = np.cumsum([0, *(sum(len(features[one]) for one in fold) for fold in grouped)])
        return cls(stories, grouped, bounds, np.zeros(stories[0].shape[1]))

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.stories[0].shape[1])

    @property
    def times(self) -> int:
        """Of all stories together."""
        return int(self.bounds[-1])

    def joined(self, features: Sequence[NDArray[Any]], mean: NDArray[np.float64]) -> list[NDArray[np.float32]]:
        """Features [time, n] of each fold about a mean."""
        return [np.concatenate([features[one] - mean for one in fold], dtype=np.float32) for fold in self.folds]

    def read(self, fold: int, columns: slice) -> NDArray[np.float32]:
        """A block of one fold about the overall mean, [time, columns]. InputError for a value that is no number."""
        values = np.concatenate([np.asarray(self.stories[one][:, columns]) for one in self.folds[fold]])
        if not np.isfinite(values).all():
            raise InputError("not-finite", f"a target of story {self.folds[fold][0]} or after it is no number")
        return (values - self.mean[columns]).astype(np.float32)

    def find_mean(self, columns: slice) -> None:
        """Fill in the mean of a block, before it is read about it."""
        total = sum(np.asarray(one[:, columns]).sum(axis=0, dtype=np.float64) for one in self.stories)
        self.mean[columns] = total / self.times


def _grouped(count: int, folds: Folds) -> list[NDArray[np.intp]]:
    if folds is None or isinstance(folds, int):
        return np.array_split(np.arange(count), folds or count)
    if len(folds) != count:
        raise ValueError(f"{len(folds)} numbers of folds for {count} stories")
    return [np.flatnonzero(np.asarray(folds) == one) for one in dict.fromkeys(folds)]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A block of targets of a fold: [time, targets] about the training mean, and what training gives, [rank, n]."""

    truth: NDArray[np.float32]
    projected: NDArray[np.float32]

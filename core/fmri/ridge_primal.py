"""Ridge regression where there are more times than features: one decomposition [features, features] a fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.targets import HeldOut, Targets

Array = NDArray[np.float64]


class Primal:
    """The products of all stories; what a fold trains on is what it leaves of them.

    Args:
        features: of each story, [time, features].
        targets: as many stories.
        block: how many targets at a time.
    """

    def __init__(self, features: Sequence[NDArray[Any]], targets: Targets, block: int) -> None:
        self.targets = targets
        self.mean: Array = np.sum([x.sum(axis=0, dtype=np.float64) for x in features], axis=0) / targets.times
        self._features = targets.joined(features, self.mean)
        self._gram: Array = np.sum([_gram(x) for x in self._features], axis=0)
        self._cross = np.empty((len(self.mean), targets.count), np.float32)
        for start in range(0, targets.count, block):
            columns = slice(start, min(start + block, targets.count))
            targets.find_mean(columns)
            # Sums over folds keep more digits than single precision has.
            total = np.zeros((len(self.mean), columns.stop - start))
            for fold, x in enumerate(self._features):
                total += x.T @ targets.read(fold, columns)
            self._cross[:, columns] = total

    def folds(self) -> Iterator[PrimalFold]:
        """Each fold held out once."""
        for fold, x in enumerate(self._features):
            rest = self.targets.times - len(x)
            # The total mean is 0: what the others sum to is what this one lacks.
            mean = -x.sum(axis=0, dtype=np.float64) / rest
            strengths, vectors = np.linalg.eigh(self._gram - _gram(x) - rest * np.outer(mean, mean))
            yield PrimalFold(
                fold, x, mean, self._cross, self.targets, np.maximum(strengths, 0), vectors.astype(np.float32),
                ((x - mean) @ vectors).astype(np.float32),
            )  # fmt: skip

    def weights(self, columns: slice, alphas: Array) -> NDArray[np.float32]:
        """[features, n] of a block of targets with a penalty each, from all stories."""
        strengths, vectors = self._whole
        shrunk = (vectors.T @ self._cross[:, columns]) / (strengths[:, None] + alphas)
        made: NDArray[np.float32] = (vectors @ shrunk).astype(np.float32)
        return made

    @cached_property
    def _whole(self) -> tuple[Array, Array]:
        strengths, vectors = np.linalg.eigh(self._gram)
        return np.maximum(strengths, 0), vectors


@dataclass(frozen=True, slots=True)
class PrimalFold:
    """One fold held out: its features in the others' principal axes, [time, rank], and the axes' strengths."""

    fold: int
    features: NDArray[np.float32]
    mean: Array
    cross: NDArray[np.float32]
    targets: Targets
    strengths: Array
    vectors: NDArray[np.float32]
    held: NDArray[np.float32]

    def held_out(self, columns: slice) -> HeldOut:
        """See HeldOut."""
        truth = self.targets.read(self.fold, columns)
        rest = self.targets.times - len(truth)
        offset = -truth.sum(axis=0, dtype=np.float64) / rest
        trained = self.cross[:, columns] - self.features.T @ truth - rest * np.outer(self.mean, offset)
        return HeldOut(truth - offset.astype(np.float32), self.vectors.T @ trained.astype(np.float32))


def _gram(x: NDArray[np.float32]) -> Array:
    wide = x.astype(np.float64)
    made: Array = wide.T @ wide
    return made

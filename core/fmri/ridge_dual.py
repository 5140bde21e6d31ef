"""Ridge regression where there are more features than times: one decomposition [time, time] a fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.targets import HeldOut, Targets

Array = NDArray[np.float64]


class Dual:
    """The products of all times with each other.

    Args:
        features: of each story, [time, features].
        targets: as many stories.
    """

    def __init__(self, features: Sequence[NDArray[Any]], targets: Targets) -> None:
        self.targets = targets
        self.mean: Array = np.sum([x.sum(axis=0, dtype=np.float64) for x in features], axis=0) / targets.times
        self._features = np.concatenate(targets.joined(features, self.mean))
        self._kernel = self._features @ self._features.T
        targets.find_mean(slice(0, targets.count))

    def folds(self) -> Iterator[DualFold]:
        """Each fold held out once."""
        for fold, (start, stop) in enumerate(pairwise(self.targets.bounds)):
            rest = np.r_[0:start, stop : self.targets.times]
            train = self._kernel[np.ix_(rest, rest)].astype(np.float64)
            across = self._kernel[start:stop, rest].astype(np.float64)
            mean = train.mean(axis=0)
            centred = train - mean - mean[:, None] + mean.mean()
            strengths, vectors = np.linalg.eigh(centred)
            held = (across - across.mean(axis=1, keepdims=True) - mean + mean.mean()) @ vectors
            yield DualFold(
                fold, self.targets, np.maximum(strengths, 0), vectors.astype(np.float32), held.astype(np.float32)
            )

    def weights(self, columns: slice, alphas: Array) -> NDArray[np.float32]:
        """[features, n] of a block of targets with a penalty each, from all stories."""
        strengths, vectors = self._whole
        truth = np.concatenate([self.targets.read(fold, columns) for fold in range(len(self.targets.folds))])
        shrunk = (vectors.T @ truth) / (strengths[:, None] + alphas)
        made: NDArray[np.float32] = self._features.T @ (vectors @ shrunk).astype(np.float32)
        return made

    @cached_property
    def _whole(self) -> tuple[Array, Array]:
        strengths, vectors = np.linalg.eigh(self._kernel.astype(np.float64))
        return np.maximum(strengths, 0), vectors


@dataclass(frozen=True, slots=True)
class DualFold:
    """One fold held out: its products with the others in their principal axes, [time, rank], and their strengths."""

    fold: int
    targets: Targets
    strengths: Array
    vectors: NDArray[np.float32]
    held: NDArray[np.float32]

    def held_out(self, columns: slice) -> HeldOut:
        """See HeldOut."""
        others = [place for place in range(len(self.targets.folds)) if place != self.fold]
        rest = np.concatenate([self.targets.read(place, columns) for place in others])
        offset = rest.mean(axis=0, dtype=np.float64).astype(np.float32)
        truth = self.targets.read(self.fold, columns)
        return HeldOut(truth - offset, self.vectors.T @ (rest - offset))

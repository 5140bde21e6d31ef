"""Ridge regression with a penalty for each target, chosen on stories held out whole.

The losses and penalties are those of himalaya's RidgeCV with an intercept on the same folds (Dupré la Tour et al. 2022,
doi:10.1016/j.neuroimage.2022.119728), found with one decomposition a fold, a block of targets at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.ridge_dual import Dual, DualFold
from medpipe.core.fmri.ridge_primal import Primal, PrimalFold
from medpipe.core.fmri.targets import Folds, Stored, Targets

# Tang et al. 2023 take ten from 10 to 1000 and square them.
ALPHAS: Final = tuple(float(alpha) for alpha in np.logspace(2, 6, 10))
BLOCK: Final = 1024


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A linear model of each target.

    Args:
        weights: [features, targets].
        intercept: [targets].
        alphas: [targets], the penalty of each.
        losses: [alphas, targets], mean squared errors on held-out stories, averaged over folds.
    """

    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    alphas: NDArray[np.float64]
    losses: NDArray[np.float64]

    @property
    def cv_scores(self) -> NDArray[np.float64]:
        """The negative loss at each target's penalty, [targets]."""
        made: NDArray[np.float64] = -self.losses.min(axis=0)
        return made

    def predict(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """[time, features] -> [time, targets]."""
        made: NDArray[np.float32] = features.astype(np.float32) @ self.weights
        return made + self.intercept.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Predicted:
    """A block of targets of a fold that was held out: true and predicted, [time, n] about the training mean."""

    fold: int
    columns: slice
    true: NDArray[np.float32]
    predicted: NDArray[np.float32]


def fit_ridge(
    features: Sequence[NDArray[Any]],
    targets: Sequence[Stored],
    alphas: Sequence[float] = ALPHAS,
    block: int = BLOCK,
    folds: Folds = None,
) -> RidgeFit:
    """Fit a ridge regression; each story is held out once, whole, to choose the penalty of each target.

    Args:
        features: of each story, [time, features], all finite.
        targets: of each story, [time, targets]: arrays, or datasets in a file, of which a block is read at a time.
        alphas: penalties to choose from, all above 0.
        block: how many targets at a time.
        folds: see Folds.

    Raises:
        InputError: fewer than two stories, lengths that differ, a value that is no number.
    """
    if len(alphas) == 0 or not all(alpha > 0 and np.isfinite(alpha) for alpha in alphas):
        raise ValueError("penalties are finite and above 0")
    known = Targets.of(features, targets, folds)
    width = features[0].shape[1]
    solver = _solver(features, known, block)
    losses = np.zeros((len(alphas), known.count))
    for fold in solver.folds():
        for columns in _blocks(known.count, block):
            held = fold.held_out(columns)
            for place, alpha in enumerate(alphas):
                error = held.truth - fold.held @ (held.projected * _shrunk(fold.strengths, alpha)[:, None])
                losses[place, columns] += np.einsum("tv,tv->v", error, error) / len(error)
    losses /= len(known.folds)
    chosen = np.asarray(alphas, np.float64)[losses.argmin(axis=0)]
    weights = np.empty((width, known.count), np.float32)
    for columns in _blocks(known.count, block):
        weights[:, columns] = solver.weights(columns, chosen[columns])
    intercept = known.mean - solver.mean @ weights
    return RidgeFit(weights, intercept, chosen, losses)


def held_out(
    features: Sequence[NDArray[Any]],
    targets: Sequence[Stored],
    penalties: NDArray[np.float64],
    block: int = BLOCK,
    folds: Folds = None,
) -> Iterator[Predicted]:
    """What each fold is predicted as by a model of the others, block by block of targets.

    Args:
        features: as in `fit_ridge`.
        targets: as in `fit_ridge`.
        penalties: [targets], one for each, as a fit has chosen them.
        block: how many targets at a time.
        folds: see Folds.

    Raises:
        InputError: as `fit_ridge`.
    """
    known = Targets.of(features, targets, folds)
    found: Iterator[PrimalFold | DualFold] = _solver(features, known, block).folds()
    for place, fold in enumerate(found):
        for columns in _blocks(known.count, block):
            held = fold.held_out(columns)
            shrunk = (1 / (fold.strengths[:, None] + penalties[columns])).astype(np.float32)
            yield Predicted(place, columns, held.truth, fold.held @ (held.projected * shrunk))


def _solver(features: Sequence[NDArray[Any]], targets: Targets, block: int) -> Primal | Dual:
    """By the smaller of the two products, [features, features] or [time, time]."""
    return Primal(features, targets, block) if features[0].shape[1] <= targets.times else Dual(features, targets)


def _shrunk(strengths: NDArray[np.float64], alpha: float) -> NDArray[np.float32]:
    return (1 / (strengths + alpha)).astype(np.float32)


def _blocks(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))

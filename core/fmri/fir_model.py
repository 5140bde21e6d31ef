"""Linear models with a finite impulse response: each volume of a story from some volumes before it or after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.delays import delayed
from medpipe.core.fmri.ridge import ALPHAS, BLOCK, Predicted, RidgeFit, fit_ridge, held_out
from medpipe.core.fmri.targets import Folds, Stored


@dataclass(frozen=True, slots=True)
class FirModel:
    """A ridge regression on delayed inputs, which training has given their scale.

    Args:
        delays: in volumes.
        mean: [inputs], of training.
        spread: [inputs], standard deviations of training; 1 for an input that was constant.
        ridge: of the delayed inputs.
    """

    delays: tuple[int, ...]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    ridge: RidgeFit

    @classmethod
    def fit(
        cls,
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[Stored],
        delays: Sequence[int],
        alphas: Sequence[float] = ALPHAS,
        block: int = BLOCK,
        folds: Folds = None,
    ) -> Self:
        """From stories, [time, inputs] and [time, outputs] each. Raises InputError, as `delayed` and `fit_ridge`."""
        together = np.concatenate(inputs)
        mean = together.mean(axis=0, dtype=np.float64)
        spread = together.std(axis=0, dtype=np.float64)
        spread[spread == 0] = 1
        standard = [delayed((one - mean) / spread, delays) for one in inputs]
        return cls(tuple(delays), mean, spread, fit_ridge(standard, outputs, alphas, block, folds))

    def held_out(
        self, inputs: Sequence[NDArray[Any]], outputs: Sequence[Stored], block: int = BLOCK, folds: Folds = None
    ) -> Iterator[Predicted]:
        """The training stories again, each fold predicted by a model of the others with this model's penalties."""
        return held_out(list(map(self.delayed, inputs)), outputs, self.ridge.alphas, block, folds)

    def delayed(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """One story, [time, inputs] -> [time, inputs * delays], in the scale of training."""
        return delayed((inputs - self.mean) / self.spread, self.delays)

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """One story, [time, inputs] -> [time, outputs]."""
        return self.ridge.predict(self.delayed(inputs))

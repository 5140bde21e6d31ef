"""Linear models with a finite impulse response: each volume of a story from some volumes before it or after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.delays import delayed
from medpipe.core.fmri.ridge import ALPHAS, BLOCK, RidgeFit, fit_ridge
from medpipe.core.fmri.targets import Stored


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
        folds: int | None = None,
    ) -> Self:
        """From stories, [time, inputs] and [time, outputs] each. Raises InputError, as `delayed` and `fit_ridge`."""
        together = np.concatenate(inputs)
        mean = together.mean(axis=0, dtype=np.float64)
        spread = together.std(axis=0, dtype=np.float64)
        spread[spread == 0] = 1
        standard = [delayed((one - mean) / spread, delays) for one in inputs]
        return cls(tuple(delays), mean, spread, fit_ridge(standard, outputs, alphas, block, folds))

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """One story, [time, inputs] -> [time, outputs]."""
        return self.ridge.predict(delayed((inputs - self.mean) / self.spread, self.delays))

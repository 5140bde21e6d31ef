"""How many words were said in each volume, from the responses after it.

Tang et al. 2023 (doi:10.1038/s41593-023-01304-9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.decoding import fit_decoding
from medpipe.core.fmri.delays import DELAYS
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.ridge import ALPHAS
from medpipe.core.fmri.targets import Folds


@dataclass(frozen=True, slots=True)
class WordRate:
    """A decoding model of one feature, the number of words."""

    model: FirModel

    def rates(self, responses: NDArray[Any]) -> NDArray[np.float32]:
        """Words of each volume as the model has them, [time]."""
        return self.model.predict(responses)[:, 0]

    def counts(self, responses: NDArray[Any]) -> NDArray[np.int64]:
        """Whole words of each volume, none below 0; [time]."""
        made: NDArray[np.int64] = np.maximum(np.rint(self.rates(responses)), 0).astype(np.int64)
        return made


def fit_word_rate(
    responses: Sequence[NDArray[Any]],
    words: Sequence[NDArray[Any]],
    delays: Sequence[int] = DELAYS,
    alphas: Sequence[float] = ALPHAS,
    folds: Folds = None,
) -> WordRate:
    """From training stories, [time, voxels] and words per volume [time] each."""
    return WordRate(fit_decoding(responses, [one[:, None] for one in words], delays, alphas, folds))

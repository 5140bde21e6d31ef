"""Linear decoding: the features of what was said in a volume from the responses that come after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from medpipe.core.fmri.delays import DELAYS, look_back
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.ridge import ALPHAS
from medpipe.core.fmri.targets import Folds


def fit_decoding(
    responses: Sequence[NDArray[Any]],
    features: Sequence[NDArray[Any]],
    delays: Sequence[int] = DELAYS,
    alphas: Sequence[float] = ALPHAS,
    folds: Folds = None,
) -> FirModel:
    """From training stories, [time, voxels] and [time, features] each; `delays` are those of an encoding model."""
    return FirModel.fit(responses, features, look_back(delays), alphas, folds=folds)

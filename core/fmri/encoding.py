"""Encoding models: the responses of each voxel from the features of words.

Huth et al. 2016 (doi:10.1038/nature17637).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.delays import DELAYS
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.ridge import ALPHAS, BLOCK
from medpipe.core.fmri.targets import Folds, Stored
from medpipe.core.fmri.voxel_scores import correlation, explained


@dataclass(frozen=True, slots=True)
class VoxelScores:
    """How well a held-out story is predicted: Pearson's r and R2, [voxels] each."""

    r: NDArray[np.float64]
    r2: NDArray[np.float64]


def fit_encoding(
    features: Sequence[NDArray[Any]],
    responses: Sequence[Stored],
    delays: Sequence[int] = DELAYS,
    alphas: Sequence[float] = ALPHAS,
    block: int = BLOCK,
    folds: Folds = None,
) -> FirModel:
    """From training stories, [time, features] and [time, voxels] each; see `fit_ridge`."""
    return FirModel.fit(features, responses, delays, alphas, block, folds)


def score_encoding(model: FirModel, features: NDArray[Any], responses: Stored, block: int = BLOCK) -> VoxelScores:
    """Of one held-out story, [time, features] and [time, voxels]; a block of voxels is read at a time."""
    predicted = model.predict(features)
    voxels = predicted.shape[1]
    r, r2 = np.empty(voxels), np.empty(voxels)
    for start in range(0, voxels, block):
        columns = slice(start, start + block)
        true = np.asarray(responses[:, columns])
        r[columns] = correlation(true, predicted[:, columns])
        r2[columns] = explained(true, predicted[:, columns])
    return VoxelScores(r, r2)

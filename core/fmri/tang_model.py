"""The linear models of Tang et al. 2023 (doi:10.1038/s41593-023-01304-9), fitted to the stories of one listener.

The encoding model with the covariance of its noise, of the voxels that it predicts best, and back from these voxels the
features of words and their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.decoding import fit_decoding
from medpipe.core.fmri.encoding import fit_encoding
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.identification import WINDOW, identify
from medpipe.core.fmri.matched_noise import VoxelNoise
from medpipe.core.fmri.response_likelihood import ResponseLikelihood
from medpipe.core.fmri.ridge import RidgeFit
from medpipe.core.fmri.tang_settings import TangSettings
from medpipe.core.fmri.targets import Folds
from medpipe.core.fmri.voxel_scores import correlation
from medpipe.core.fmri.word_rate import WordRate, fit_word_rate

Rows = NDArray[np.float32]
# The share of voxels that is called the best.
_TOP: Final = 0.1
_SHIFTS: Final = 9999
_SHIFT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class HeardRun:
    """A stretch of a run without gaps.

    Args:
        story: whose words they are; runs of one story are held out together.
        features: of words, [time, features].
        words: how many, [time].
        responses: [time, voxels].
    """

    story: str
    features: Rows
    words: NDArray[np.int64]
    responses: Rows


@dataclass(frozen=True, slots=True)
class TangModel:
    """What was fitted.

    Args:
        voxels: places of those that were chosen, [voxels], the best predicted first.
        scores: Pearson's r of each as stories held out were predicted, [voxels].
        encoding: of the chosen voxels.
        decoding: of features from the chosen voxels.
        rate: of words.
        likelihood: of responses of the chosen voxels.
        noise: their mean, spread and memory.
    """

    voxels: NDArray[np.int64]
    scores: NDArray[np.float64]
    encoding: FirModel
    decoding: FirModel
    rate: WordRate
    likelihood: ResponseLikelihood
    noise: VoxelNoise

    @classmethod
    def fit(cls, runs: Sequence[HeardRun], settings: TangSettings) -> TangModel:
        """From training runs. Raises InputError for fewer than two stories, or runs too short for the delays."""
        delays, folds = tuple(range(1, settings.delays + 1)), _folds([run.story for run in runs], settings.folds)
        features, responses = [run.features for run in runs], [run.responses for run in runs]
        whole = fit_encoding(features, responses, delays, folds=folds)
        scores = _scores(whole, features, responses, folds)
        voxels = np.argsort(-scores, kind="stable")[: settings.voxels]
        chosen = [one[:, voxels] for one in responses]
        encoding = _only(whole, voxels)
        covariance = noise_covariance(encoding, features, chosen, settings.shrinkage, folds)
        return cls(
            voxels, scores[voxels], encoding,
            fit_decoding(chosen, features, delays, folds=folds),
            fit_word_rate(chosen, [run.words for run in runs], delays, folds=folds),
            ResponseLikelihood.of(encoding, covariance), VoxelNoise.of(chosen),
        )  # fmt: skip

    def cross_validated(self) -> dict[str, float]:
        """Encoding scores of the stories that were held out to choose penalties and voxels, which flatters them."""
        return _spread_of(self.scores)

    def evaluate(self, runs: Sequence[HeardRun], tr: float, rng: np.random.Generator) -> dict[str, float | int | None]:
        """Scores of stories that the model has not learnt from; identification is None where none can be shifted.

        Windows of identification have ten volumes, and its null shifts by 30 s or more.
        """
        chosen = [run.responses[:, self.voxels] for run in runs]
        predicted = [self.encoding.predict(run.features) for run in runs]
        decoded = [self.decoding.predict(one) for one in chosen]
        rates = [self.rate.rates(one)[:, None] for one in chosen]
        true = np.concatenate([run.features for run in runs])
        words = np.concatenate([run.words for run in runs])[:, None]
        r = correlation(np.concatenate(chosen), np.concatenate(predicted))
        least = int(np.ceil(_SHIFT_SECONDS / tr))
        long = [place for place, run in enumerate(runs) if len(run.words) >= max(2 * least, 2 * WINDOW)]
        made: dict[str, float | int | None] = {
            **_spread_of(r),
            "decoding_r": float(correlation(true, np.concatenate(decoded)).mean()),
            "word_rate_r": float(correlation(words, np.concatenate(rates))[0]),
            "identification": None, "identification_top1": None, "p": None, "windows": 0,
        }  # fmt: skip
        if long:
            features = [runs[place].features for place in long]
            # No more shifts than there are: p cannot be below what they can show.
            shifts = min(_SHIFTS, prod(len(one) - 2 * least + 1 for one in features))
            found = identify([decoded[place] for place in long], features, rng, WINDOW, shifts, least)
            made |= {"identification": found.rank_accuracy, "identification_top1": found.top1, "p": found.p,
                     "windows": found.windows}  # fmt: skip
        return made


def noise_covariance(
    model: FirModel, features: Sequence[Rows], responses: Sequence[Rows], shrinkage: float, folds: Folds = None
) -> NDArray[np.float64]:
    """Of what stories that are held out leave over, [voxels, voxels]: the mean over folds of products of residuals,
    each with a mean variance of 1, shrunk to the identity by `shrinkage`.

    Raises InputError for responses without any variation.
    """
    size = responses[0].shape[1]
    total, left, count = np.zeros((size, size)), None, 0
    for block in model.held_out(features, responses, folds=folds):
        if left is None or block.columns.start == 0:
            left = np.empty((len(block.true), size), np.float32)
        left[:, block.columns] = block.true - block.predicted
        if block.columns.stop == size:
            products = left.T @ left
            mean = np.trace(products, dtype=np.float64) / size
            if mean <= 0:
                raise InputError("constant", "the responses of a story do not vary: there is no noise to estimate")
            products /= np.float32(mean)
            total += products
            count += 1
    total *= (1 - shrinkage) / count
    total[np.diag_indices(size)] += shrinkage
    return total


def _scores(model: FirModel, features: Sequence[Rows], responses: Sequence[Rows], folds: Folds) -> NDArray[np.float64]:
    """Pearson's r of each voxel, the mean over folds by their lengths."""
    total, times = np.zeros(responses[0].shape[1]), np.zeros(responses[0].shape[1])
    for block in model.held_out(features, responses, folds=folds):
        total[block.columns] += len(block.true) * correlation(block.true, block.predicted)
        times[block.columns] += len(block.true)
    return total / times


def _only(model: FirModel, voxels: NDArray[np.int64]) -> FirModel:
    ridge = model.ridge
    own = RidgeFit(
        ridge.weights[:, voxels], ridge.intercept[voxels], ridge.alphas[voxels], ridge.losses[:, voxels]
    )  # fmt: skip
    return replace(model, ridge=own)


def _folds(stories: Sequence[str], parts: int) -> list[int]:
    """The fold of each run: stories whole, each by itself or in so many parts."""
    names = list(dict.fromkeys(stories))
    count = min(parts, len(names)) if parts else len(names)
    number = {name: place * count // len(names) for place, name in enumerate(names)}
    return [number[story] for story in stories]


def _spread_of(r: NDArray[np.float64]) -> dict[str, float]:
    """Of voxels in the order of their choice: the median, and the mean of the tenth that was best predicted."""
    return {"encoding_r": float(np.median(r)), "encoding_r_top": float(r[: max(1, round(_TOP * len(r)))].mean())}

"""How likely responses are under an encoding model whose noise is Gaussian, as words are added one by one.

With residuals r and the precision P of the noise it is -1/2 r'Pr summed over volumes (Tang et al. 2023,
doi:10.1038/s41593-023-01304-9). Predictions are linear in the delayed features f, W'f, so that only f'WPy and f'WPW'f
change with the words: products as large as the features are kept, whatever the number of voxels, and nothing is
approximated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.delays import delayed
from medpipe.core.fmri.fir_model import FirModel

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ResponseLikelihood:
    """What of an encoding model likelihoods need.

    Args:
        mean: of features, [features].
        spread: of features, [features].
        delays: all above 0.
        intercept: [voxels].
        weighed: the precision times the weights, PW', [voxels, features * delays].
        products: WPW', [features * delays, features * delays].
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    delays: tuple[int, ...]
    intercept: NDArray[np.float64]
    weighed: Rows
    products: Rows

    @classmethod
    def of(cls, model: FirModel, covariance: NDArray[np.float64]) -> Self:
        """From the covariance of the noise, [voxels, voxels]. Raises InputError where it has no inverse."""
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        weights = model.ridge.weights.astype(np.float64)
        try:
            weighed = cho_solve(cho_factor(covariance, lower=True), weights.T)
        except LinAlgError:
            raise InputError(
                "no-inverse", "the covariance of the noise has no inverse: more shrinkage is due"
            ) from None
        return cls(
            model.mean, model.spread, model.delays, model.ridge.intercept, weighed.astype(np.float32),
            (weights @ weighed).astype(np.float32),
        )  # fmt: skip

    def project(self, responses: NDArray[Any]) -> Rows:
        """WPy of each volume of [time, voxels]; [time, features * delays]."""
        made: Rows = (responses - self.intercept).astype(np.float32) @ self.weighed
        return made

    def log_ratios(self, projected: Rows, features: NDArray[Any]) -> NDArray[np.float64]:
        """By volume the log-likelihood with these features [time, features] over that of the training's mean, nats."""
        wide = delayed((features - self.mean) / self.spread, self.delays).astype(np.float64)
        made: NDArray[np.float64] = ((projected - 0.5 * (wide @ self.products)) * wide).sum(axis=1)
        return made


class GrowingTexts:
    """Texts that grow together by a word at a time, and the log-likelihood of all responses to each.

    Words that are not said yet add nothing to the features. `totals` [texts] are relative to no word at all.

    Args:
        model: whose responses they are.
        projected: see `ResponseLikelihood.project`, of one run.
        reach: the most volumes that a word reaches.
    """

    def __init__(self, model: ResponseLikelihood, projected: Rows, reach: int) -> None:
        self._model, self._volumes = model, len(projected)
        self._wide = (len(model.delays), len(model.mean))
        silent = np.broadcast_to(-model.mean / model.spread, (len(projected), len(model.mean)))
        # What a word that is added gains is linear in this, but for its own square.
        slopes = projected - delayed(silent, model.delays) @ model.products
        self._rows = reach + max(model.delays)
        self._base = np.concatenate([slopes, np.zeros((self._rows, slopes.shape[1]), np.float32)])
        self._first = 0
        self._slopes = self._base[None, : self._rows].copy()
        self.totals = np.zeros(1)

    def gains(
        self, first: int, weights: NDArray[np.float64], texts: NDArray[np.intp], vectors: Rows
    ) -> NDArray[np.float64]:
        """What words add to their texts' totals, [n].

        Args:
            first: volume that the next word reaches, none before that of the last word.
            weights: of the word in the volumes from there on.
            texts: which text each goes on, [n].
            vectors: of the words, [n, features].
        """
        self._go_to(first)
        reached = self._reached(first, weights)
        count, rows = self._slopes.shape[:2]
        slopes = np.einsum("ud,tudf->tf", reached, self._slopes.reshape(count, rows, *self._wide), optimize=True)
        products = self._model.products.reshape(*self._wide, *self._wide)
        square = np.einsum("de,dfeg->fg", reached.T @ reached, products, optimize=True)
        scaled = (vectors / self._model.spread).astype(np.float32)
        made: NDArray[np.float64] = ((slopes[texts] - 0.5 * (scaled @ square)) * scaled).sum(axis=1, dtype=np.float64)
        return made

    def keep(
        self,
        first: int,
        weights: NDArray[np.float64],
        texts: NDArray[np.intp],
        vectors: Rows,
        totals: NDArray[np.float64],
    ) -> None:
        """Go on with these words, as `gains` was asked for them, and with new totals [n]."""
        reached = self._reached(first, weights)
        scaled = (vectors / self._model.spread).astype(np.float32)
        by_delay = np.tensordot(scaled, self._model.products.reshape(*self._wide, -1), axes=([1], [1]))
        self._slopes = self._slopes[texts] - np.einsum("ud,ndk->nuk", reached, by_delay, optimize=True)
        self.totals = totals

    def _go_to(self, first: int) -> None:
        """Let go of volumes that no later word changes."""
        ahead = min(first - self._first, self._rows)
        if ahead <= 0:
            return
        fresh = self._base[first + self._rows - ahead : first + self._rows]
        fresh = np.broadcast_to(fresh, (len(self._slopes), *fresh.shape))
        self._slopes = np.concatenate([self._slopes[:, ahead:], fresh], axis=1)
        self._first = first

    def _reached(self, first: int, weights: NDArray[np.float64]) -> Rows:
        """The word's weight in the features of each volume of responses, by delay; [rows, delays]."""
        made = np.zeros((self._rows, len(self._model.delays)), np.float32)
        for place, delay in enumerate(self._model.delays):
            begin = first - self._first + delay
            stop = min(begin + len(weights), self._rows, self._volumes - self._first)
            if stop > begin:
                made[begin:stop, place] = weights[: stop - begin]
        return made

"""A simulated listener: which voxels respond to what words mean, how strongly, and how late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.hrf import LENGTH, PEAK, UNDERSHOOT, double_gamma
from medpipe.core.fmri.story import TICK

# Fourier transforms of multiples of it are fast.
_FAST = 256
_ACTIVE, _DENSITY, _JITTER = 0.5, 0.25, 1.0
PEAKS = PEAK + np.round(np.arange(-_JITTER, _JITTER + TICK / 2, TICK), 1)


@dataclass(frozen=True, slots=True)
class Subject:
    """What makes a listener.

    Args:
        weights: [features, voxels], three quarters of them 0; a silent voxel has none.
        delays: [voxels], places in PEAKS.
        active: [voxels].
    """

    weights: NDArray[np.float64]
    delays: NDArray[np.intp]
    active: NDArray[np.bool_]

    def signal(self, course: NDArray[np.float64], tr: float) -> NDArray[np.float32]:
        """The responses to a course [ticks, features] without any noise, about their means; [volumes, voxels]."""
        found = [(sampled, self.delays == place) for place, sampled in enumerate(responses(course, tr))]
        signal = np.zeros((len(found[0][0]), self.weights.shape[1]), np.float32)
        for sampled, late in found:
            signal[:, late] = sampled @ self.weights[:, late]
        signal -= signal.mean(axis=0)
        return signal


def responses(course: NDArray[np.float64], tr: float) -> list[NDArray[np.float64]]:
    """A course [ticks, features] through each of the PEAKS' responses, at the middle of each volume."""
    volumes = int(len(course) * TICK / tr + 1e-9)
    middle = np.round((np.arange(volumes) + 0.5) * tr / TICK).astype(int)
    times = np.arange(0, LENGTH, TICK)
    size = _FAST * -(-(len(course) + len(times)) // _FAST)
    said = np.fft.rfft(np.ascontiguousarray(course.T), size)
    made = []
    for peak in PEAKS:
        # The whole response is later, undershoot and all.
        kernel = double_gamma(times, peak, UNDERSHOOT + peak - PEAK)
        made.append(np.fft.irfft(said * np.fft.rfft(kernel, size), size)[:, middle].T)
    return made


class Spread:
    """How the responses to all stories vary together: what gives a voxel's signal a variance of 1.

    Stories are added one by one, each about its means.
    """

    def __init__(self, features: int) -> None:
        self.features = features
        self._sums = np.zeros((len(PEAKS), features, features))
        self._volumes = 0

    @classmethod
    def of(cls, courses: Iterable[NDArray[np.float64]], tr: float, features: int) -> Spread:
        """Of the courses [ticks, features] of stories."""
        made = cls(features)
        for course in courses:
            made.add(course, tr)
        return made

    def add(self, course: NDArray[np.float64], tr: float) -> None:
        """One more story."""
        found = responses(course, tr)
        self._volumes += len(found[0])
        for place, sampled in enumerate(found):
            centred = sampled - sampled.mean(axis=0)
            self._sums[place] += centred.T @ centred

    def scaled(self, weights: NDArray[np.float64], delays: NDArray[np.intp]) -> NDArray[np.float64]:
        """Weights [features, voxels] whose signal has a variance of 1 over all the stories; 0 stays 0."""
        made = np.zeros_like(weights)
        for place, sums in enumerate(self._sums):
            late = delays == place
            own = weights[:, late]
            variance = np.einsum("fv,fv->v", own, sums @ own) / self._volumes
            made[:, late] = np.divide(own, np.sqrt(variance), out=np.zeros_like(own), where=variance > 0)
        return made


def make_subject(voxels: int, spread: Spread, rng: np.random.Generator) -> Subject:
    """A listener with random sparse weights; half of the voxels are silent.

    Args:
        voxels: how many.
        spread: of the stories that will be heard.
        rng: where all chance comes from.
    """
    features = spread.features
    active = rng.random(voxels) < _ACTIVE
    chosen = rng.random((features, voxels)) < _DENSITY
    # Every active voxel responds to something.
    chosen[rng.integers(features, size=voxels), np.arange(voxels)] = True
    weights = np.where(chosen & active, rng.standard_normal((features, voxels)), 0.0)
    delays = rng.integers(len(PEAKS), size=voxels)
    return Subject(spread.scaled(weights, delays), delays, active)

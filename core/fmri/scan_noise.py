"""What a scan holds beside the responses: noise that remembers, drifts, and the head's motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.autoregressive import autoregressive

PHI: Final = 0.4
DRIFTS: Final = 3
# Shares of the variance that is not signal.
SHARES: Final = {"ar1": 0.7, "drift": 0.2, "motion": 0.1}
_SLOWEST, _FASTEST = 1, 4
_MM, _RADIANS = 0.05, 0.001
_MOTION_PHI: Final = 0.95


@dataclass(frozen=True, slots=True)
class ScanNoise:
    """Noise of a run.

    Args:
        values: [volumes, voxels], of variance 1.
        drifts: [volumes, 3], which all voxels share.
        motion: [volumes, 6], three translations in mm and three rotations in radians.
    """

    values: NDArray[np.float32]
    drifts: NDArray[np.float64]
    motion: NDArray[np.float64]


def scan_noise(volumes: int, voxels: int, rng: np.random.Generator) -> ScanNoise:
    """The noise of one run: AR(1), drifts and what motion leaks, in the SHARES of the variance.

    Args:
        volumes: at least 2.
        voxels: how many.
        rng: where all chance comes from.
    """
    drifts = _drifts(volumes, rng)
    motion = autoregressive(volumes, 6, _MOTION_PHI, rng) * np.repeat([_MM, _RADIANS], 3)
    values = np.sqrt(SHARES["ar1"]) * autoregressive(volumes, voxels, PHI, rng)
    for share, sources in (("drift", drifts), ("motion", motion)):
        values += np.sqrt(SHARES[share]) * _mixed(sources, voxels, rng)
    return ScanNoise(values.astype(np.float32), drifts, motion)


def _drifts(volumes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Slow cosines, each of a frequency and phase of its own."""
    times = np.linspace(0, np.pi, volumes)[:, None]
    speed, phase = rng.uniform(_SLOWEST, _FASTEST, DRIFTS), rng.uniform(0, 2 * np.pi, DRIFTS)
    made: NDArray[np.float64] = np.cos(times * speed + phase)
    return made


def _mixed(sources: NDArray[np.float64], voxels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random mixtures of the sources [volumes, n], of mean 0 and variance 1; [volumes, voxels]."""
    standard = (sources - sources.mean(axis=0)) / np.maximum(sources.std(axis=0), 1e-12)
    mixed = standard @ rng.standard_normal((sources.shape[1], voxels))
    made: NDArray[np.float64] = mixed / np.maximum(mixed.std(axis=0), 1e-12)
    return made

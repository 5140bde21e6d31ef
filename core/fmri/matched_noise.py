"""Responses that say nothing: noise with each voxel's own mean, spread and memory, as a null for decoders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.autoregressive import autoregressive

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VoxelNoise:
    """Mean, standard deviation and correlation with the volume before, by voxel, each [voxels] float32."""

    mean: Rows
    spread: Rows
    memory: Rows

    @classmethod
    def of(cls, windows: Iterable[Rows]) -> VoxelNoise:
        """Of windows [times, voxels], in one pass; the correlation is that inside windows.

        Raises ValueError for no windows. Sums are taken around the first window's mean, in double precision.
        """
        base: NDArray[np.float64] | None = None
        count = pairs = 0
        for window in windows:
            values = np.asarray(window, np.float64)
            if base is None:
                base = values.mean(axis=0)
                one, two, lagged, ends = (np.zeros_like(base) for _ in range(4))
            values = values - base
            one, two = one + values.sum(axis=0), two + (values**2).sum(axis=0)
            lagged += (values[1:] * values[:-1]).sum(axis=0)
            ends += values[1:].sum(axis=0) + values[:-1].sum(axis=0)
            count, pairs = count + len(values), pairs + len(values) - 1
        if base is None:
            raise ValueError("there are no windows")
        mean = one / count
        variance = np.maximum(two / count - mean**2, 0)
        near = (lagged - mean * ends) / max(pairs, 1) + mean**2
        memory = np.divide(near, variance, out=np.zeros_like(near), where=variance > 0)
        return cls(
            (base + mean).astype("f4"), np.sqrt(variance).astype("f4"), np.clip(memory, -0.99, 0.99).astype("f4")
        )

    def draw(self, times: int, rng: np.random.Generator) -> Rows:
        """A window [times, voxels] of stationary Gaussian AR(1) noise."""
        values = autoregressive(times, len(self.mean), self.memory.astype(np.float64), rng)
        return (self.mean + self.spread * values).astype(np.float32)

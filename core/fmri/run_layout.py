"""Windows of a run put together again: which rows each has, and where volumes are missing between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

# Of a volume, by which a window's time may be off the others'.
_OFF = 0.05


@dataclass(frozen=True, slots=True)
class RunLayout:
    """Where windows lie in the volumes that they cover together.

    Args:
        rows: the first of each window.
        bounds: where each stretch without a gap begins, and where the last ends.
    """

    rows: NDArray[np.intp]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, times: Sequence[float], lengths: Sequence[int], tr: float) -> Self:
        """Of windows that begin at these times, s, and have so many volumes; they may overlap.

        Raises InputError for times that are no whole volumes apart.
        """
        places = (np.asarray(times, np.float64) - min(times)) / tr
        numbers = np.rint(places).astype(np.intp)
        if (np.abs(places - numbers) > _OFF).any():
            raise InputError("bad-time", f"the windows of a run are not whole volumes of {tr:g} s apart")
        volumes = np.unique(np.concatenate([
            number + np.arange(length) for number, length in zip(numbers, lengths, strict=True)
        ]))  # fmt: skip
        cuts = np.flatnonzero(np.diff(volumes) > 1) + 1
        return cls(np.searchsorted(volumes, numbers), (0, *(int(cut) for cut in cuts), len(volumes)))

    def joined(self, windows: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Rows of all windows, each [volumes, n], once."""
        made = np.empty((self.bounds[-1], windows[0].shape[1]), np.float32)
        for row, window in zip(self.rows, windows, strict=True):
            made[row : row + len(window)] = window
        return made

    def stretches(self) -> list[slice]:
        """Rows without a gap inside."""
        return [slice(start, stop) for start, stop in pairwise(self.bounds)]


def standardised(run: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column of [time, n] about its mean, with a variance of 1; zeros where it does not vary."""
    centred = run - run.mean(axis=0, dtype=np.float64)
    spread = centred.std(axis=0)
    made: NDArray[np.float32] = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0).astype("f4")
    return made

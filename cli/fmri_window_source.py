"""Batches of windows, their responses read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.fmri_window_index import Window
from medpipe.core.fmri.bpgpt_batch import WindowBatch, padded
from medpipe.formats.arrays import materialise
from medpipe.formats.errors import FormatError


@dataclass(slots=True)
class WindowBatches:
    """A BatchSource over windows, whose texts are tokens `ids` and vectors `texts` [windows, width]."""

    windows: Sequence[Window]
    ids: Sequence[Sequence[int]]
    texts: Tensor
    batch: int
    seed: int
    shuffled: bool = True

    def steps(self, world: int) -> int:
        """See BatchSource: whole batches when shuffled, else the last may be short."""
        size = self.batch * world
        return len(self.windows) // size if self.shuffled else -(-len(self.windows) // size)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[WindowBatch]:
        """See BatchSource."""
        count = len(self.windows)
        order = np.random.default_rng([self.seed, epoch]).permutation(count) if self.shuffled else np.arange(count)
        for step in range(skip, self.steps(world)):
            first = (step * world + rank) * self.batch
            rows = order[first : first + self.batch].tolist()
            responses = None
            if self.windows[0].responses is not None:
                responses = torch.from_numpy(np.stack([read_responses(self.windows[row]) for row in rows]))
            yield WindowBatch(padded([self.ids[row] for row in rows]), self.texts[rows], responses)


def read_responses(window: Window) -> NDArray[np.float32]:
    """[times, voxels] of a window; Fatal 65 where they cannot be read or are not numbers."""
    try:
        values = np.array(materialise(window.responses), np.float32)
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{window.id}: {error}") from None
    bad = int((~np.isfinite(values)).any(axis=0).sum())
    if bad:
        raise Fatal(BAD_STREAM, f"{window.id}: {bad} voxels are not finite; fmri-extract puts zeros in their place")
    return values

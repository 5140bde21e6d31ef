"""Batches of windows, their responses read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.fmri_window_index import Window
from medpipe.core.fmri.bpgpt_batch import WindowBatch, padded
from medpipe.core.fmri.bpgpt_settings import BpGptSettings
from medpipe.core.fmri.prompted_lm import PromptedLm
from medpipe.formats.arrays import materialise
from medpipe.formats.errors import FormatError


@dataclass(slots=True)
class WindowBatches:
    """A BatchSource over windows, whose texts are tokens `ids` and vectors `texts` [windows, dim]."""

    windows: Sequence[Window]
    ids: Sequence[Sequence[int]]
    texts: NDArray[np.float32]
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
            yield WindowBatch(padded([self.ids[row] for row in rows]), torch.from_numpy(self.texts[rows]), responses)


def window_batches(
    parts: Sequence[Sequence[Window]], texts: Sequence[NDArray[np.float32]], lm: PromptedLm, settings: BpGptSettings
) -> tuple[list[WindowBatches], int]:
    """Of windows to learn from, and of others to choose by, the batches; and how many texts were too long."""
    sources: list[WindowBatches] = []
    cut = 0
    for windows, vectors in zip(parts, texts, strict=True):
        told = [lm.texts.ids(one.volumes, settings.tokens, ended=settings.stop == "end") for one in windows]
        cut += sum(too_long for _, too_long in told)
        ids = [made for made, _ in told]
        sources.append(WindowBatches(windows, ids, vectors, settings.batch, settings.seed, shuffled=not sources))
    return sources, cut


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

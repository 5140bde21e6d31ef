"""Batches of pictures for a grounding model, read from files and HDF5 rows as they are needed, by worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from medpipe.cli.box_truth import check_inside
from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.grounding_index import PictureIndex
from medpipe.cli.load import load
from medpipe.cli.process import EXPECTED
from medpipe.cli.signals import ignore
from medpipe.core.errors import InputError
from medpipe.core.vision.findings import Knowledge
from medpipe.core.vision.ground_batch import Example, GroundBatch, join_examples, make_example
from medpipe.core.vision.ground_settings import GroundSettings
from medpipe.formats.arrays import materialise
from medpipe.formats.registry import ReadOptions

# Pictures tried in place of one that cannot be read, before giving up.
_TRIES: Final = 64
_AHEAD: Final = 4
Draw = tuple[int, int]  # row of the index, seed of what is drawn


class Examples(Dataset[tuple[Example, int] | str]):
    """A picture of each row, with how many were tried before it; one of which nothing is asked is not used."""

    def __init__(self, index: PictureIndex, settings: GroundSettings, read: ReadOptions, *, random: bool) -> None:
        self.index, self.settings, self.read, self.random = index, settings, read, random

    def __len__(self) -> int:
        return len(self.index.items)

    def __getitem__(self, draw: Draw) -> tuple[Example, int] | str:
        """The example of a row; where it cannot be used, of the next row that can, else why there is none."""
        row, seed = draw
        last = "nothing is asked of it"
        for tried in range(min(_TRIES, len(self))):
            place = (row + tried) % len(self)
            try:
                made = self._example(place, np.random.default_rng(seed) if self.random else None)
            except EXPECTED as error:
                last = str(error)
                continue
            if made.names:
                return made, tried
        return f"{self.index.items[row].id} and {tried} pictures after it cannot be used: {last}"

    def _example(self, row: int, rng: np.random.Generator | None) -> Example:
        record, *others = load(self.index.items[row], self.read, keep_source=False)
        if others:
            said = "and boxes are of one: train from its records, as med-cat writes them"
            raise InputError("several-pictures", f"{self.index.items[row].id} holds {1 + len(others)} pictures, {said}")
        if "image" not in record:
            raise InputError("bad-image", f"{record['id']} has no image")
        pixels = materialise(record["image"])
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
            raise InputError("bad-image", f"{record['id']} is not of 8 bits")
        size = pixels.shape[1], pixels.shape[0]
        check_inside(self.index.boxes[row], size, self.index.sizes[row], record["id"])
        return make_example(pixels, self.index.boxes[row], self.index.names, self.settings, rng)


@dataclass(slots=True)
class PictureBatches:
    """A BatchSource over an index."""

    index: PictureIndex
    settings: GroundSettings
    tokenizer: Any
    knowledge: Knowledge | None
    read: ReadOptions
    workers: int
    shuffled: bool = True
    replaced: int = 0
    _draws: list[list[Draw]] = field(default_factory=list)
    _made: DataLoader[tuple[Example, int] | str] | None = None

    def steps(self, world: int) -> int:
        """See BatchSource: whole batches when shuffled, else the last may be short."""
        count, size = len(self.index.items), self.settings.batch * world
        return count // size if self.shuffled else -(-count // size)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[GroundBatch]:
        """See BatchSource."""
        self._draws[:] = list(self._drawn(epoch, rank, world))[skip:]
        dense_only = self.shuffled and epoch < self.settings.dense_epochs
        for examples in self._loader():
            if failed := [one for one in examples if isinstance(one, str)]:
                raise Fatal(BAD_STREAM, failed[0])
            self.replaced += sum(tried > 0 for _, tried in examples)
            yield join_examples(
                [one for one, _ in examples], self.tokenizer, self.settings, self.knowledge, dense_only=dense_only
            )

    def _loader(self) -> DataLoader[tuple[Example, int] | str]:
        """One for all epochs, so that workers live as long: an epoch of few pictures is over sooner than they start."""
        if self._made is None:
            self._made = DataLoader(
                Examples(self.index, self.settings, self.read, random=self.shuffled),
                batch_sampler=self._draws,
                num_workers=self.workers,
                persistent_workers=self.workers > 0,
                prefetch_factor=_AHEAD if self.workers else None,
                collate_fn=list,
                worker_init_fn=_leave_signals,
                # Else it would draw from the generator that drives dropout.
                generator=torch.Generator().manual_seed(0),
            )
        return self._made

    def _drawn(self, epoch: int, rank: int, world: int) -> Iterator[list[Draw]]:
        count = len(self.index.items)
        rng = np.random.default_rng([self.settings.seed, epoch])
        order = rng.permutation(count) if self.shuffled else np.arange(count)
        seeds = rng.integers(0, 2**31, count)
        for step in range(self.steps(world)):
            start = (step * world + rank) * self.settings.batch
            rows = order[start : start + self.settings.batch]
            yield [(int(row), int(seeds[row])) for row in rows]


def _leave_signals(worker: int) -> None:
    """The parent decides when a worker ends."""
    ignore()

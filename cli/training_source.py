"""Batches for pre-training, read from files and HDF5 rows as they are needed, by worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from medpipe.cli.ecg_encoding import as_recording
from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.load import load
from medpipe.cli.process import EXPECTED
from medpipe.cli.signals import ignore
from medpipe.cli.training_index import TrainingIndex
from medpipe.core.ecg.encode import prepare_window
from medpipe.core.ecg.presets import Preset
from medpipe.core.ecg.train_batch import Batch
from medpipe.formats.registry import ReadOptions

# Recordings tried in place of one that cannot be read, before giving up.
_TRIES: Final = 64
_AHEAD: Final = 4
Draw = tuple[int, int]  # row of the index, seed of the window
Window = tuple[NDArray[np.float32], NDArray[np.bool_], int]  # x, present, row that was read
Drawn = tuple[Window | None, dict[str, str]]  # by id, why recordings tried before it were not used


@dataclass(frozen=True, slots=True)
class Joined:
    """The windows of a batch, None without any; why recordings were not used; for how many draws, and in vain."""

    windows: tuple[torch.Tensor, torch.Tensor, NDArray[np.int64]] | None
    failed: dict[str, str]
    hit: int
    lost: int


class Windows(Dataset[Drawn]):
    """One window of each recording: the first for validation, else one at random."""

    def __init__(self, index: TrainingIndex, preset: Preset, missing: str, *, random: bool) -> None:
        self.index, self.preset, self.missing, self.random = index, preset, missing, random

    def __len__(self) -> int:
        return len(self.index.items)

    def __getitem__(self, draw: Draw) -> Drawn:
        """The window of a row; in training, where it cannot be used, of the next row that can."""
        row, seed = draw
        failed: dict[str, str] = {}
        for tried in range(min(_TRIES, len(self)) if self.random else 1):
            place = (row + tried) % len(self)
            try:
                return (*self._window(place, seed), place), failed
            except EXPECTED as error:
                failed[self.index.items[place].id] = str(error)
        return None, failed

    def _window(self, row: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        record = load(self.index.items[row], ReadOptions(), keep_source=False)[0]
        recording = as_recording(record, self.preset.leads)
        spare = recording.samples - round(self.preset.seconds * recording.fs)
        start = int(np.random.default_rng(seed).integers(0, spare + 1)) if self.random and spare > 0 else 0
        return prepare_window(self.preset, recording, start, self.missing)


@dataclass(slots=True)
class RecordingBatches:
    """A BatchSource over an index; `vectors` [texts, D] are those of its reports."""

    index: TrainingIndex
    preset: Preset
    vectors: NDArray[np.float32] | None
    batch: int
    seed: int
    workers: int
    missing: str = "error"
    shuffled: bool = True
    replaced: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def steps(self, world: int) -> int:
        """See BatchSource: whole batches when shuffled, else the last may be short."""
        count, size = len(self.index.items), self.batch * world
        return count // size if self.shuffled else -(-count // size)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[Batch]:
        """See BatchSource. Validation goes without recordings that cannot be used; `failed` has why, by id."""
        loader: DataLoader[Drawn] = DataLoader(
            Windows(self.index, self.preset, self.missing, random=self.shuffled),
            batch_sampler=list(self._draws(epoch, rank, world))[skip:],
            num_workers=self.workers,
            prefetch_factor=_AHEAD if self.workers else None,
            collate_fn=_joined,
            worker_init_fn=_leave_signals,
            # Else it would draw from the generator that drives dropout.
            generator=torch.Generator().manual_seed(0),
        )
        given = 0
        for joined in loader:
            self.failed |= joined.failed
            if self.shuffled and joined.lost:
                raise _unusable(joined.failed)
            self.replaced += joined.hit if self.shuffled else 0
            if joined.windows is not None:
                yield self._batch(*joined.windows)
                given += 1
        if not given and not self.shuffled:
            raise _unusable(self.failed)

    def _draws(self, epoch: int, rank: int, world: int) -> Iterator[list[Draw]]:
        count = len(self.index.items)
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(count) if self.shuffled else np.arange(count)
        seeds = rng.integers(0, 2**31, count)
        for step in range(self.steps(world)):
            start = (step * world + rank) * self.batch
            rows = order[start : start + self.batch]
            yield [(int(row), int(seeds[row])) for row in rows]

    def _batch(self, x: torch.Tensor, present: torch.Tensor, rows: NDArray[np.int64]) -> Batch:
        texts = targets = None
        if self.vectors is not None:
            texts = torch.from_numpy(np.ascontiguousarray(self.vectors[self.index.text_of[rows]]))
        if self.index.targets is not None:
            known = self.index.targets[rows].astype(np.float32)
            targets = torch.from_numpy(np.where(known < 0, np.float32(np.nan), known))
        return Batch(x, present, texts, targets)


def _joined(drawn: list[Drawn]) -> Joined:
    good = [window for window, _ in drawn if window is not None]
    failed = {ident: why for _, reasons in drawn for ident, why in reasons.items()}
    hit, lost = sum(bool(reasons) for _, reasons in drawn), len(drawn) - len(good)
    if not good:
        return Joined(None, failed, hit, lost)
    x, present, rows = zip(*good, strict=True)
    joined = torch.from_numpy(np.stack(x)), torch.from_numpy(np.stack(present)), np.array(rows)
    return Joined(joined, failed, hit, lost)


def _unusable(failed: dict[str, str]) -> Fatal:
    ident, why = next(iter(failed.items()))
    return Fatal(BAD_STREAM, f"{len(failed)} recordings in a row cannot be used, first {ident}: {why}")


def _leave_signals(worker: int) -> None:
    """The parent decides when a worker ends."""
    ignore()

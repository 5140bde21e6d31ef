"""What pre-training is fed with: batches, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Records prepared by the encoder's preset, and what is known of each.

    signals [B, 12, samples] float32, rows in the preset's order; present [B, 12] bool, which rows are real;
    texts [B, D] vectors of the reports by a frozen text encoder, None where the objective takes none;
    targets [B, E] of the entities, 0, 1 or NaN where unknown, None where it takes none.
    """

    signals: Tensor
    present: Tensor
    texts: Tensor | None = None
    targets: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """On this device, but for `present`: masks are drawn on the CPU."""
        moved = (None if part is None else part.to(device, non_blocking=True) for part in (self.texts, self.targets))
        return Batch(self.signals.to(device, non_blocking=True), self.present.cpu(), *moved)

    def __len__(self) -> int:
        return len(self.signals)


class BatchSource(Protocol):
    """Batches of a data set, read as they are needed: nothing here holds more than one."""

    def steps(self, world: int) -> int:
        """How many batches an epoch has for each of `world` processes, the same for all of them."""
        ...

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterable[Batch]:
        """The batches of this process from number `skip` on, told by seed, epoch, rank and world alone.

        A batch is never empty. The same batch, of the same records in the same order, must come whatever was
        skipped: resuming counts on it. That of all processes together is their concatenation by rank.
        """
        ...

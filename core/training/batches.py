"""What a training is fed with: batches of any kind, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, Self, TypeVar

import torch


class Batch(Protocol):
    """Records together."""

    def to(self, device: torch.device) -> Self:
        """What is computed with, on this device."""
        ...

    def __len__(self) -> int: ...


Kind = TypeVar("Kind", bound=Batch, covariant=True)


class BatchSource(Protocol[Kind]):
    """Batches of a data set, read as they are needed: nothing here holds more than one."""

    def steps(self, world: int) -> int:
        """How many batches an epoch has for each of `world` processes, the same for all of them."""
        ...

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterable[Kind]:
        """The batches of this process from number `skip` on, told by seed, epoch, rank and world alone.

        A batch is never empty. The same batch, of the same records in the same order, must come whatever was
        skipped: resuming counts on it. That of all processes together is their concatenation by rank.
        """
        ...

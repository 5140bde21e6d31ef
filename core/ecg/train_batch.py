"""What pre-training is fed with."""

from __future__ import annotations

from dataclasses import dataclass

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

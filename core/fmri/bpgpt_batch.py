"""Windows together, as BP-GPT's trainings take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medpipe.core.fmri.prompted_lm import IGNORED


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows.

    Args:
        targets: tokens of their texts [batch, n], IGNORED behind each.
        texts: their vectors by BERT [batch, width].
        responses: [batch, times, voxels], None where the text alone is learnt from.
    """

    targets: Tensor
    texts: Tensor
    responses: Tensor | None = None

    def to(self, device: torch.device) -> WindowBatch:
        """See Batch."""
        responses = None if self.responses is None else self.responses.to(device)
        return WindowBatch(self.targets.to(device), self.texts.to(device), responses)

    def __len__(self) -> int:
        return len(self.targets)


def padded(texts: Sequence[Sequence[int]]) -> Tensor:
    """Tokens of texts [batch, longest], IGNORED behind each."""
    made = torch.full((len(texts), max(map(len, texts))), IGNORED)
    for row, text in enumerate(texts):
        made[row, : len(text)] = torch.tensor(text)
    return made

"""What the loop asks of that which is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Generator, Tensor, nn


class Objective(nn.Module):
    """A model with all that is trained beside it; a batch goes in, losses come out.

    `selection` is the number of the validation that chooses the best weights, the highest where `higher_is_better`.
    `rests` says that some steps leave weights without a gradient. `generator` draws what is random besides dropout, on
    the CPU and alike in every process.
    """

    selection: str = "loss"
    higher_is_better: bool = False
    rests: bool = False

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = Generator().manual_seed(seed)

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """The losses by name, scalars; `loss` is the one to minimise, the others are its parts without weights."""
        raise NotImplementedError

    def validate(
        self, batches: Iterable[Any], device: torch.device, precision: AbstractContextManager[object]
    ) -> dict[str, float | int | None]:
        """Numbers by name over all batches, without a gradient. Raises ValueError for no batches."""
        raise NotImplementedError

    def stepped(self) -> None:
        """Called when the weights have been changed by a step."""

    def compiled_parts(self) -> list[nn.Module]:
        """The modules worth compiling; drawing and grouping around them stay as they are."""
        raise NotImplementedError

    def trained_state(self) -> dict[str, Tensor]:
        """What a state holds of it: all of it, or what training changes."""
        return self.state_dict()

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """The other way."""
        self.load_state_dict(state)

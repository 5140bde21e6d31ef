"""A model of which training changes some weights: a state holds those alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from medpipe.core.training.objective import Objective


class PartlyTrained(Objective):
    """Of the weights without a gradient the checkpoint that was begun with has them."""

    def trained_state(self) -> dict[str, Tensor]:
        """Weights that training changes."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Into the weights that training changes. Raises ValueError for the state of another model."""
        own = PartlyTrained.trained_state(self)
        if set(own) != set(state):
            raise ValueError(f"the state holds {len(state)} trained weights, this model has {len(own)}")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])

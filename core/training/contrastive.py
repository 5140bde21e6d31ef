"""Symmetric InfoNCE between two views of a batch, as MERL (arXiv 2403.06659) has it: a fixed temperature of 0.07."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from medpipe.core.training import distributed

TEMPERATURE: Final = 0.07


@dataclass(frozen=True, slots=True)
class InfoNce:
    """The loss of pairs in a batch against all other pairs.

    Args:
        temperature: divides the cosines.
        directions: `sum` of both cross-entropies, as in MERL's code, or their `mean`.
        gradient: over several processes, `slice`, as in MERL's code, leaves 1 / W of the joined batch's
            gradient after averaging, `joined` the whole of it (see `distributed.joined`). With one loss term
            and AdamW that is no difference; beside a term that is averaged over processes it is a weight.
    """

    temperature: float = TEMPERATURE
    directions: Literal["sum", "mean"] = "sum"
    gradient: Literal["slice", "joined"] = "slice"

    def __call__(self, left: Tensor, right: Tensor, *, gather: bool = True) -> Tensor:
        """Vectors [B, d] of any length, row i of one belonging to row i of the other -> the loss, a scalar.

        With `gather` the batch is that of all processes, else this one's. Computed in float32 under autocast too:
        half precision is good for three digits of a cosine that is then divided by 0.07.
        """
        with torch.autocast(left.device.type, enabled=False):
            first, second = F.normalize(left.float(), dim=1), F.normalize(right.float(), dim=1)
            if gather:
                pairs = distributed.joined(torch.cat((first, second), dim=1), rescale=self.gradient == "joined")
                first, second = pairs.chunk(2, dim=1)
            logits = first @ second.T / self.temperature
            own = torch.arange(len(logits), device=logits.device)
            both = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
        return both if self.directions == "sum" else both / 2

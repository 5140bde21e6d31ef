"""Binary cross-entropy of entity logits where the truth is known, over all processes of a training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from medpipe.core.training import distributed


def entity_loss(logits: Tensor, targets: Tensor, *, gather: bool = True) -> Tensor:
    """Logits and targets [B, E], NaN where unknown -> the mean over what is known, a scalar; 0 where nothing is.

    With `gather` each process divides its sum by the mean count of known targets a process, so that the mean of
    losses and of gradients over processes is exactly that of the joined batch.
    """
    known = ~torch.isnan(targets)
    wanted = torch.where(known, targets, torch.zeros_like(targets))
    with torch.autocast(logits.device.type, enabled=False):
        each = F.binary_cross_entropy_with_logits(logits.float(), wanted.float(), reduction="none")
    count = known.sum().float()
    if gather:
        count = distributed.total(count) / distributed.world()
    return (each * known).sum() / count.clamp(min=1e-6)

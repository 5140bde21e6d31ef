"""Which entries of a layer stay."""

from __future__ import annotations

import torch
from torch import Tensor


def kept_places(scores: Tensor, budget: int, recent: int, raised: Tensor | None = None) -> Tensor:
    """Places of the last `recent` entries and of the best of the others, in order [KV heads, budget].

    Args:
        scores: [KV heads, n], in order of position, none negative.
        budget: how many stay.
        recent: how many of them are the last ones, whatever their score.
        raised: [KV heads, n], whose scores the highest score is added to; among themselves they keep their order, so
            that even they stay within the budget.
    """
    heads, count = scores.shape
    recent = min(recent, budget)
    worth = scores.float()
    if raised is not None:
        worth = worth + raised * worth.amax(1, keepdim=True)
    older = worth[:, : count - recent]
    best = older.topk(min(budget - recent, older.shape[1]), dim=1).indices
    last = torch.arange(count - recent, count, device=scores.device).expand(heads, -1)
    return torch.cat([best, last], 1).sort(1).values


def other_places(kept: Tensor, count: int) -> Tensor:
    """Places that were not kept, in order [KV heads, count - budget]."""
    gone = torch.ones(kept.shape[0], count, dtype=torch.bool, device=kept.device).scatter_(1, kept, False)
    return gone.nonzero()[:, 1].view(kept.shape[0], -1)

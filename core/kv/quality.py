"""What a compressed cache costs: a model's predictions against those with the full cache, on one continuation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def attention_errors(full: Sequence[Tensor], found: Sequence[Tensor]) -> list[float]:
    """Of each layer |found - full| / |full| of what its attention gave, both [layers][tokens, heads x d].

    A layer has the errors of those before it in it: where they begin is where too much was dropped.
    """
    return [float((one - other).norm() / other.norm()) for one, other in zip(found, full, strict=True)]


def compare(full: Tensor, found: Tensor, tokens: Sequence[int]) -> dict[str, Any]:
    """Divergence in nats, agreement, and the price of the tokens.

    Args:
        full: logits with the full cache [tokens, vocabulary].
        found: logits with the compressed one, the same shape.
        tokens: what was said.

    Returns:
        KL(full || found) mean, 95th percentile and greatest; how often the likeliest token is the same; the share of
        the five likeliest in common; the change of the negative log-likelihood a token; where the likeliest tokens
        first differ, None for nowhere: after a greedy continuation of the full cache greedy decoding goes apart there.
    """
    told, said = full.log_softmax(-1), found.log_softmax(-1)
    kl = (told.exp() * (told - said)).sum(-1).clamp_min(0)
    same = told.argmax(-1) == said.argmax(-1)
    top = min(5, told.shape[1])
    best, ours = told.topk(top).indices, said.topk(top).indices
    common = (best[:, :, None] == ours[:, None]).any(2).float().mean()
    places = torch.tensor(tokens, device=full.device)[:, None]
    price = (told.gather(1, places) - said.gather(1, places)).mean()
    apart = (~same).nonzero()
    return {
        "kl_nats_mean": float(kl.mean()), "kl_nats_p95": float(kl.quantile(0.95)), "kl_nats_max": float(kl.max()),
        "top1_agreement": float(same.float().mean()), "top5_overlap": float(common), "nll_nats_change": float(price),
        "first_divergence": int(apart[0]) if len(apart) else None,
    }  # fmt: skip

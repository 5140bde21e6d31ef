"""MERL's projection and attention pooling with everything that no ECG changes worked out beforehand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.core.ecg.attention_pool import AttentionPool


class FoldedPool(nn.Module):
    """`downconv` and `AttentionPool` in one, equal to rounding, at a hundredth of the cost.

    There is one query and it is learned, so that its product with the key projection is a fixed vector
    for each head, which meets the feature map without keys in between; values are projected after their
    weighted mean, since both are linear.
    """

    toward: Tensor
    offsets: Tensor
    steps: Tensor

    def __init__(self, downconv: nn.Conv1d, pool: AttentionPool) -> None:
        super().__init__()
        narrow, offset = _affine(downconv)
        positions = pool.positional_embedding.detach()[0].double()
        # The query's own step, which has its position twice, and what each step has beside its features.
        query = pool.cls_token.detach()[0].double() + 2 * positions[:1]
        steps = torch.cat((query, offset + positions[1:]))
        heads = pool.mhsa.num_heads
        to_query, to_key, to_value = _in_projections(pool.mhsa)
        asked = (query @ to_query[0].T + to_query[1]).view(heads, -1)
        keys = to_key[0].reshape(heads, asked.shape[1], -1)
        toward = torch.einsum("hk,hkw->hw", asked / asked.shape[1] ** 0.5, keys)
        dtype = downconv.weight.dtype
        self.register_buffer("toward", (toward @ narrow).T.to(dtype).contiguous())
        self.register_buffer("offsets", (steps @ toward.T).to(dtype))
        self.register_buffer("steps", steps.to(dtype))
        self.narrow = _linear(narrow, None, dtype)
        self.value = _linear(*to_value, dtype)
        self.heads = heads
        self.out_proj, self.c_proj = pool.mhsa.out_proj, pool.c_proj

    def forward(self, feature_map: Tensor) -> Tensor:
        """[B, width, steps] -> the pooled vector [B, 256]."""
        features = feature_map.transpose(1, 2)
        scores = self.offsets.expand(len(features), -1, -1).clone()
        scores[:, 1:] += features @ self.toward
        weights = scores.softmax(dim=1).transpose(1, 2)
        means = self.narrow(weights[:, :, 1:] @ features) + weights @ self.steps
        # Each head projects its own mean with its own rows of the value projection.
        projected = self.value(means).view(len(means), self.heads, self.heads, -1)
        mixed = projected.diagonal(dim1=1, dim2=2).transpose(1, 2).flatten(1)
        pooled: Tensor = self.c_proj(self.out_proj(mixed))
        return pooled


def _affine(downconv: nn.Conv1d) -> tuple[Tensor, Tensor]:
    if downconv.bias is None:
        raise TypeError("a projection without bias")
    return downconv.weight.detach()[:, :, 0].double(), downconv.bias.detach().double()


def _in_projections(attention: nn.MultiheadAttention) -> list[tuple[Tensor, Tensor]]:
    weights = attention.in_proj_weight.detach().double().chunk(3)
    biases = attention.in_proj_bias.detach().double().chunk(3)
    return list(zip(weights, biases, strict=True))


def _linear(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=dtype)
    layer.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
    return layer

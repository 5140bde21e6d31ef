"""The cache in eight bits, nothing dropped: the baseline that every budget has to beat."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from medpipe.core.kv.budget_layer import BudgetLayer
from medpipe.core.kv.budgeted_cache import BudgetedCache


class Int8Layer(DynamicLayer):  # type: ignore[misc]
    """Keys and values in int8 with one float32 scale for each vector, made whole for every attention."""

    is_croppable = False

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """See CacheLayerMixin."""
        super().lazy_initialization(key_states, value_states)
        self.parts: list[tuple[Tensor, Tensor]] = [_rounded(one[..., :0, :]) for one in (key_states, value_states)]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """See CacheLayerMixin."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        new = [_rounded(one) for one in (key_states, value_states)]
        self.parts = [
            (torch.cat([held[0], more[0]], -2), torch.cat([held[1], more[1]], -2))
            for held, more in zip(self.parts, new, strict=True)
        ]
        keys, values = (whole.to(key_states.dtype) * scale.to(key_states.dtype) for whole, scale in self.parts)
        return keys, values

    def get_seq_length(self) -> int:
        """See CacheLayerMixin."""
        return int(self.parts[0][0].shape[-2]) if self.is_initialized else 0


class Int8Cache(Cache):  # type: ignore[misc]
    """The prompt of a measured cache in eight bits; layers without a budget are copied as they are."""

    def __init__(self, whole: BudgetedCache) -> None:
        super().__init__(layers=[_copied(layer) for layer in whole.layers])

    def kv_bytes(self) -> tuple[int, int]:
        """Of keys and values with their scales, and nothing beside them."""
        return sum(map(layer_bytes, self.layers)), 0


def layer_bytes(layer: Any) -> int:
    """Of keys and values of a layer of any cache, with scales where it has them."""
    parts = layer.parts if isinstance(layer, Int8Layer) else [(layer.keys, layer.values)]
    return sum(one.untyped_storage().nbytes() for part in parts for one in part)


def _copied(layer: Any) -> Any:
    if not isinstance(layer, BudgetLayer):
        return copy(layer)
    made = Int8Layer()
    made.update(layer.keys, layer.values)
    return made


def _rounded(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """int8 [..., d] and float32 scales [..., 1]."""
    whole = vectors.float()
    scale = whole.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127
    return (whole / scale).round().to(torch.int8), scale

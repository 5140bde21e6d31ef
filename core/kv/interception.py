"""Attention of a decoder led through here, by the interface that transformers offers for it.

The keys that a `BudgetLayer` hands to its attention name the layer, so attention functions of several caches, models
and threads need nothing in common. Vision towers keep their own attention.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from medpipe.core.errors import InputError, ModelError

NAME: Final = "kv-budget"
# The attribute of a tensor of keys that refers to the layer whose they are.
LAYER: Final = "budget_layer"
# What some models add to attention, and what is measured here does not have.
_ADDED: Final = ("softcap", "position_bias", "s_aux", "head_mask")


def budget_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention [1, queries, heads, d] of queries [1, heads, queries, d], seen by the layer of a budgeted cache."""
    refer = getattr(key, LAYER, None)
    layer = None if refer is None else refer()
    if layer is None:
        mask = _last_queries(query, key) if attention_mask is None else attention_mask
        return sdpa_attention_forward(module, query, key, value, mask, dropout, scaling)[0], None
    added = [name for name in _ADDED if more.get(name) is not None]
    if added:
        raise ModelError(f"attention of {type(module).__name__} has {', '.join(added)}: it cannot be measured here")
    if attention_mask is not None:
        raise InputError("bad-mask", "a budgeted cache takes causal attention without padding, one prompt at a time")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    output = layer.watch(query, key, value, scale)
    if output is None:
        output = sdpa_attention_forward(module, query, key, value, _last_queries(query, key), dropout, scale)[0]
    layer.attended(output)
    return output, None


def _last_queries(query: Tensor, key: Tensor) -> Tensor | None:
    """The queries are the last of the keys, however many keys before them a layer has kept."""
    asked, held = query.shape[-2], key.shape[-2]
    if asked in (1, held):
        return None
    return torch.ones(asked, held, dtype=torch.bool, device=query.device).tril(held - asked)[None, None]


def _mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    attention_mask: Tensor | None = None,
    allow_is_causal_skip: bool = True,
    local_size: int | None = None,
    **more: Any,
) -> Tensor | None:
    """None for a plain causal one, which `budget_attention` knows for layers of any length; else transformers' own."""
    plain = allow_is_causal_skip and local_size is None and kv_offset + kv_length == q_offset + q_length
    if plain and (attention_mask is None or bool(attention_mask.all())):
        return None
    made: Tensor | None = sdpa_mask(
        batch_size=batch_size, q_length=q_length, kv_length=kv_length, q_offset=q_offset, kv_offset=kv_offset,
        attention_mask=attention_mask, allow_is_causal_skip=False, local_size=local_size, **more,
    )  # fmt: skip
    return made


def intercept(model: PreTrainedModel) -> None:
    """Lead the attention of a model's decoder through here; without a budgeted cache it computes what it did.

    Raises ModelError where attention cannot be intercepted.
    """
    config = model.config
    text = config.get_text_config(decoder=True)
    if text._attn_implementation == NAME:
        return
    name = type(model).__name__
    if config.is_encoder_decoder:
        raise ModelError(f"{name} is an encoder with a decoder: its cache is not budgeted here", unavailable=True)
    own = [one for one in model.modules() if isinstance(one, PreTrainedModel) and one.config is text]
    if not own or not all(one._can_set_attn_implementation() for one in own):
        raise ModelError(
            f"attention of {name} cannot be intercepted: it does not go through transformers' attention interface",
            unavailable=True,
        )
    AttentionInterface.register(NAME, budget_attention)
    AttentionMaskInterface.register(NAME, _mask)
    if text is config:
        model.set_attn_implementation(NAME)
    else:
        key = next(one for one in config.sub_configs if getattr(config, one) is text)
        model.set_attn_implementation({key: NAME})

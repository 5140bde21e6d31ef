"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) by peft, on the linear maps of a grounding model."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from medpipe.core.errors import ModelError
from medpipe.core.vision.ground_settings import GroundSettings

# Of the text encoder and the decoder, and of the tower where it is trained.
_TEXT: Final = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
_TOWER: Final = ("qkv", "proj", "fc1", "fc2")
_ADAPTER: Final = "default"


def with_lora(model: Any, settings: GroundSettings) -> None:
    """Put adapters into the model, in place, and freeze all else. Raises ModelError without peft."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ModelError("lora_rank needs peft: pip install 'medpipe[train]'", unavailable=True) from None
    rank = settings.lora_rank
    inside = rf"(.*language_model\..*({'|'.join(_TEXT)}))"
    if settings.tower == "trained":
        inside += rf"|(.*vision_tower\..*({'|'.join(_TOWER)}))"
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=inside)
    inject_adapter_in_model(config, model, _ADAPTER)


@torch.no_grad()
def merged(model: Any) -> dict[str, Tensor]:
    """Weights of the model as it was before the adapters, what they have learnt added; the model stays as it is."""
    from peft.tuners.lora import LoraLayer

    added = {
        f"{name}.weight": layer.get_delta_weight(_ADAPTER)
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    weights: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        weights[plain] = value + added[plain].to(value.dtype) if plain in added else value
    return weights

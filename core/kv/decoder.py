"""A decoder by name, with what makes prompts for it; sure to be one whose attention can be measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from medpipe.core.device import torch_device
from medpipe.core.errors import InputError, ModelError
from medpipe.core.hub import model_folder
from medpipe.core.kv.budgeted_cache import BudgetedCache
from medpipe.core.kv.prompts import GridEncoder, PromptEncoder, TextEncoder, VisionEncoder

SMOKE: Final = "smoke"
_FILES: Final = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
# Of a configuration what says how it was stored, not what it is.
_GRIDS: Final = frozenset({"qwen2_vl", "qwen2_5_vl"})
_WINDOWS: Final = frozenset({"sliding_attention", "chunked_attention"})
_CHANCE: Final = frozenset({"transformers_version", "dtype", "torch_dtype", "attn_implementation", "use_cache"})


@dataclass(frozen=True, slots=True)
class Decoder:
    """A model in eval mode; `facts` stand in records."""

    model: Any
    tokenizer: Any
    prompts: PromptEncoder
    facts: dict[str, Any]

    @property
    def device(self) -> torch.device:
        """Where it is."""
        found: torch.device = next(self.model.parameters()).device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """In which numbers it computes."""
        found: torch.dtype = next(self.model.parameters()).dtype
        return found


def open_decoder(name: str, device: str = "cpu") -> Decoder:
    """`smoke`, a folder, or a name on the hub. Weights come from safetensors alone, and no code comes with them.

    On a CPU in float32, elsewhere as stored. Raises ModelError: it is not there, cannot be loaded, or its attention
    cannot be intercepted.
    """
    place = torch_device(device)
    if name == SMOKE:
        from medpipe.core.kv.smoke import byte_tokenizer, smoke_model, smoke_prompts

        model, tokenizer = smoke_model(), byte_tokenizer()
        encoder: PromptEncoder = smoke_prompts(tokenizer, model.config)
    else:
        model, tokenizer, encoder = _loaded(model_folder(name, _FILES), name, place)
    digest = config_digest(model.config)
    model = model.to(place).eval()
    facts = {
        "name": name if name == SMOKE else Path(name).name, "type": model.config.model_type, "config_sha256": digest,
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."), "trained": name != SMOKE,
    }  # fmt: skip
    _try(model)
    return Decoder(model, tokenizer, encoder, facts)


def _loaded(folder: Path, name: str, place: torch.device) -> tuple[Any, Any, PromptEncoder]:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.is_encoder_decoder:
            raise ModelError(f"{name} is an encoder with a decoder: its cache is not budgeted here", unavailable=True)
        seeing = hasattr(config, "vision_config")
        kind = AutoModelForImageTextToText if seeing else AutoModelForCausalLM
        model, told = kind.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, output_loading_info=True,
            dtype=torch.float32 if place.type == "cpu" else "auto",
        )  # fmt: skip
        if told["missing_keys"]:
            absent = sorted(told["missing_keys"])
            raise ModelError(
                f"{name} lacks {len(absent)} weights of a {type(model).__name__}: {absent[0]}, ...", unavailable=True
            )
        return model, *_reader(folder, config, seeing=seeing)
    except ModelError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"the model {name} cannot be loaded: {first[:200]}", unavailable=True) from None


def _reader(folder: Path, config: Any, *, seeing: bool) -> tuple[Any, PromptEncoder]:
    """The tokenizer, and what makes prompts."""
    from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer

    if seeing and config.model_type not in _GRIDS:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        return processor.tokenizer, VisionEncoder(processor, config)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if not seeing:
        return tokenizer, TextEncoder(tokenizer)
    images = AutoImageProcessor.from_pretrained(folder, trust_remote_code=False)
    return tokenizer, GridEncoder(tokenizer, images, config)


def config_digest(config: Any) -> str:
    """Sixteen hex digits over a model's architecture, however it was stored."""
    return hashlib.sha256(json.dumps(_lasting(config.to_dict()), sort_keys=True, default=str).encode()).hexdigest()[:16]


def _lasting(facts: Any) -> Any:
    if not isinstance(facts, Mapping):
        return facts
    kept = {str(key): _lasting(value) for key, value in facts.items()}
    return {key: value for key, value in kept.items() if key not in _CHANCE and not key.startswith("_")}


@torch.no_grad()
def _try(model: Any) -> None:
    """Two tokens through the model: every layer that has a budget must have shown its attention."""
    cache = BudgetedCache(model)
    name = type(model).__name__
    others = sorted(set(cache.skipped.values()) - _WINDOWS)
    if others:
        raise ModelError(
            f"{name} has layers of {', '.join(others)}: what they hold is no cache of keys", unavailable=True
        )
    if any(getattr(one, "is_causal", True) is False for one in model.get_decoder().modules()):
        raise ModelError(f"{name} is no decoder: its attention looks ahead", unavailable=True)
    try:
        model(input_ids=torch.zeros(1, 2, dtype=torch.long, device=model.device), past_key_values=cache)
    except (TypeError, RuntimeError, InputError, AttributeError, IndexError) as error:
        raise ModelError(f"{name} takes no budgeted cache: {str(error)[:200]}", unavailable=True) from None
    if any(layer.statistics is None for layer in cache.budgeted):
        raise ModelError(f"{name}: not every layer's attention can be intercepted", unavailable=True)

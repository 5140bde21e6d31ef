"""A tiny untrained Qwen2-VL, built in memory: every part of the real one, with bytes for words."""

from __future__ import annotations

from typing import Any, Final

import torch

from medpipe.core.kv.prompts import GridEncoder

_SPECIAL: Final = ("<end>", "<image>", "<video>", "<image-start>", "<image-end>")
# Pixels each way of what becomes one token: patches of 8, two by two merged.
_PATCH, _MERGE = 8, 2
_SIZES: Final = {"shortest_edge": 32 * 32, "longest_edge": 192 * 192}


def smoke_model(seed: int = 0) -> Any:
    """The model, in eval mode; the same weights every time."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    end, image, video, start, stop = range(256, 256 + len(_SPECIAL))
    config = Qwen2VLConfig(
        text_config={
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": 256 + len(_SPECIAL), "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
            # Wide enough that rows of attention differ, which those of a new model hardly do.
            "initializer_range": 0.1, "bos_token_id": None, "eos_token_id": end, "pad_token_id": end,
        },
        vision_config={
            "depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2, "patch_size": _PATCH,
            "spatial_merge_size": _MERGE,
        },
        image_token_id=image, video_token_id=video, vision_start_token_id=start, vision_end_token_id=stop,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen2VLForConditionalGeneration(config).eval()


def byte_tokenizer() -> Any:
    """Every byte a token, then the special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = {letter: place for place, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    plain = Tokenizer(models.BPE(alphabet, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens(list(_SPECIAL))
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", pad_token="<end>")


def smoke_prompts(tokenizer: Any, config: Any) -> GridEncoder:
    """Images, then the bytes of the text."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return GridEncoder(tokenizer, Qwen2VLImageProcessorPil(patch_size=_PATCH, merge_size=_MERGE, size=_SIZES), config)

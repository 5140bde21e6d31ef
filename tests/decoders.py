"""Tiny untrained decoders of every family, with a prompt for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Made = tuple[Any, dict[str, Tensor], Tensor]
TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 120, "max_position_embeddings": 1024, "initializer_range": 0.15,
    "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0,
}  # fmt: skip
IMAGE, VIDEO = 100, 101


def tokens(count: int, seed: int = 0) -> Tensor:
    return torch.randint(1, 99, (1, count), generator=torch.Generator().manual_seed(seed))


def llama() -> Made:
    from transformers import LlamaConfig, LlamaForCausalLM

    return _text(LlamaForCausalLM(LlamaConfig(**TEXT)))


def qwen2() -> Made:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return _text(Qwen2ForCausalLM(Qwen2Config(**TEXT)))


def qwen2_sliding() -> Made:
    """Its last layers look back no further than eight tokens."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    kinds = ["full_attention", "sliding_attention", "full_attention"]
    return _text(Qwen2ForCausalLM(Qwen2Config(**TEXT, use_sliding_window=True, sliding_window=8, layer_types=kinds)))


def gpt2() -> Made:
    from transformers import GPT2Config, GPT2LMHeadModel

    return _text(GPT2LMHeadModel(GPT2Config(vocab_size=120, n_positions=1024, n_embd=32, n_layer=3, n_head=4,
                                            initializer_range=0.15, bos_token_id=None, eos_token_id=None)))  # fmt: skip


def _text(model: Any) -> Made:
    return model.eval(), {"input_ids": tokens(60)}, torch.zeros(60, dtype=torch.bool)


def qwen2_vl() -> Made:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    vision = {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}
    return _qwen(Qwen2VLForConditionalGeneration, Qwen2VLConfig, vision)


def qwen2_5_vl() -> Made:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    vision = {"depth": 1, "hidden_size": 16, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 16,
              "patch_size": 4, "window_size": 16, "fullatt_block_indexes": [0]}  # fmt: skip
    return _qwen(Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig, vision)


def _qwen(kind: Any, config: Any, vision: dict[str, Any]) -> Made:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    made = kind(config(
        text_config=TEXT | {"rope_parameters": rope}, vision_config=vision, image_token_id=IMAGE, video_token_id=VIDEO,
        vision_start_token_id=102, vision_end_token_id=103,
    )).eval()  # fmt: skip
    # An image of 8 x 12 patches, four of them a token.
    asked = torch.cat([tokens(6), torch.full((1, 24), IMAGE), tokens(30, 1)], 1)
    pixels = torch.randn(96, 3 * 2 * 4 * 4, generator=torch.Generator().manual_seed(2))
    visual = asked[0] == IMAGE
    return made, {"input_ids": asked, "mm_token_type_ids": visual.int()[None], "pixel_values": pixels,
                  "image_grid_thw": torch.tensor([[1, 8, 12]])}, visual  # fmt: skip


def llava() -> Made:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                              image_size=16, patch_size=4, projection_dim=16)  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=LlamaConfig(**TEXT), image_token_index=IMAGE)
    made = LlavaForConditionalGeneration(config).eval()
    asked = torch.cat([tokens(6), torch.full((1, 16), IMAGE), tokens(30, 1)], 1)
    pixels = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    return made, {"input_ids": asked, "pixel_values": pixels}, asked[0] == IMAGE


FAMILIES: dict[str, Callable[[], Made]] = {
    "llama": llama, "qwen2": qwen2, "qwen2-sliding": qwen2_sliding, "gpt2": gpt2, "qwen2-vl": qwen2_vl,
    "qwen2.5-vl": qwen2_5_vl, "llava": llava,
}  # fmt: skip

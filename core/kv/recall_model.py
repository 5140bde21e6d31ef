"""The model of the recall task: a tiny LLaVA, with words for tokens and a processor of transformers' own."""

from __future__ import annotations

from typing import Any, Final

import torch

from medpipe.core.kv.recall_task import SIDE, TILE, vocabulary

END, IMAGE, BREAK = "<end>", "<image>", "\n"
_WORDS: Final = [END, IMAGE, BREAK, *vocabulary()]
TOKENS: Final = {word: place for place, word in enumerate(_WORDS)}
# Of a CLIP vision tower with one layer.
_VISION: Final = {
    "model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1,
    "num_attention_heads": 2, "image_size": SIDE * TILE, "patch_size": TILE, "projection_dim": 64,
}  # fmt: skip
_TEXT: Final = {
    "model_type": "llama", "hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": len(_WORDS),
    "max_position_embeddings": 4096, "rope_parameters": {"rope_type": "default", "rope_theta": 1e5},
    "bos_token_id": None, "eos_token_id": TOKENS[END], "pad_token_id": TOKENS[END], "tie_word_embeddings": False,
}  # fmt: skip


def recall_model(seed: int = 0) -> Any:
    """Untrained; the same weights for a seed every time."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    config = LlavaConfig(
        vision_config=_VISION, text_config=_TEXT, image_token_id=TOKENS[IMAGE], image_seq_length=SIDE**2,
        vision_feature_layer=-1, vision_feature_select_strategy="default",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlavaForConditionalGeneration(config)


def recall_tokenizer() -> Any:
    """A token a word, a digit, a mark; a line's end is one too."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(TOKENS, unk_token=BREAK))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens([END, IMAGE, BREAK])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=END, pad_token=END, extra_special_tokens={"image_token": IMAGE}
    )


def recall_processor() -> Any:
    """Pictures as they are, from -1 to 1, each of a token a tile."""
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    side = SIDE * TILE
    pictures = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side},
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    return LlavaProcessor(
        pictures, recall_tokenizer(), patch_size=TILE, vision_feature_select_strategy="default", image_token=IMAGE,
        num_additional_image_tokens=1,
    )  # fmt: skip

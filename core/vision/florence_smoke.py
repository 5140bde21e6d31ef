"""A tiny untrained Florence-2 with a tokenizer of its own, to try a pipeline before there are weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from medpipe.core.vision.florence import Florence
from medpipe.core.vision.location_tokens import BINS

SIDE: Final = 64
_SPECIAL: Final = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<image>")


def smoke(seed: int = 0, words: Sequence[str] = ()) -> Florence:
    """The real class with its real parts, a few thousand weights; the tokenizer knows letters and `words`."""
    from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration

    tokenizer = byte_tokenizer(words)
    torch.manual_seed(seed)
    vision: dict[str, Any] = {"depths": (1, 1, 1, 1), "embed_dim": (8, 16, 24, 32), "num_heads": (1, 2, 3, 4),
                              "num_groups": (1, 2, 3, 4), "window_size": 4, "projection_dim": 32,
                              "drop_path_rate": 0.0}  # fmt: skip
    text = BartConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=512,
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2,
    )  # fmt: skip
    config = Florence2Config(text_config=text.to_dict(), vision_config=vision,
                             image_token_id=tokenizer.convert_tokens_to_ids("<image>"))  # fmt: skip
    return Florence(Florence2ForConditionalGeneration(config), tokenizer, SIDE)


def byte_tokenizer(words: Sequence[str] = ()) -> Any:
    """Bytes as tokens, then whole `words`, then the thousand locations."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {token: place for place, token in enumerate([*_SPECIAL, *alphabet])}
    plain = Tokenizer(models.BPE(pieces, [], unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        mask_token="<mask>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    made.add_tokens([*words, *(f"<loc_{place}>" for place in range(BINS))])
    return made

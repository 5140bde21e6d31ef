"""Untrained models of Florence-2's class: the published sizes, and one that learns on a desk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from medpipe.core.vision.florence import Florence
from medpipe.core.vision.location_tokens import BINS

_SPECIAL: Final = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<image>")
# Of the published ones the configurations on their pages; heads and groups are a 32nd of the width.
_VISION: Final[dict[str, dict[str, Any]]] = {
    "smoke": {"depths": (1, 1, 1, 1), "embed_dim": (8, 16, 24, 32), "num_heads": (1, 2, 3, 4),
              "num_groups": (1, 2, 3, 4), "window_size": 4, "projection_dim": 32, "drop_path_rate": 0.0},
    "small": {"depths": (1, 1, 2, 1), "embed_dim": (32, 64, 128, 256), "num_heads": (2, 4, 8, 16),
              "num_groups": (2, 4, 8, 16), "window_size": 8, "projection_dim": 256, "drop_path_rate": 0.0,
              # Without the last halving a small picture keeps enough tokens to tell its objects apart.
              "patch_stride": (4, 2, 2, 1)},
    "base": {"depths": (1, 1, 9, 1), "embed_dim": (128, 256, 512, 1024), "num_heads": (4, 8, 16, 32),
             "num_groups": (4, 8, 16, 32), "projection_dim": 768},
    "large": {"depths": (1, 1, 9, 1), "embed_dim": (256, 512, 1024, 2048), "num_heads": (8, 16, 32, 64),
              "num_groups": (8, 16, 32, 64), "projection_dim": 1024},
}  # fmt: skip
# Width, layers of encoder and of decoder, heads, hidden width, most tokens.
_TEXT: Final = {
    "smoke": (32, 1, 2, 64, 512),
    "small": (256, 2, 4, 512, 1024),
    "base": (768, 6, 12, 3072, 4096),
    "large": (1024, 12, 16, 4096, 4096),
}
SIZES: Final = tuple(_TEXT)
_MOST_PIECES: Final = 2000
# Of the published checkpoints, whose tokenizer cannot be had without them.
_PUBLISHED: Final = 51289


def new_florence(size: str, texts: Sequence[str] = (), side: int = 768, seed: int = 0) -> Florence:
    """An untrained model; its tokenizer is learnt from `texts`. ValueError for a size that there is not."""
    from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration

    if size not in _TEXT:
        raise ValueError(f"no size {size}; there are {', '.join(SIZES)}")
    tokenizer = learnt_tokenizer(texts)
    width, layers, heads, hidden, most = _TEXT[size]
    torch.manual_seed(seed)
    text = BartConfig(
        vocab_size=max(len(tokenizer), _PUBLISHED if size in ("base", "large") else 0), d_model=width,
        encoder_layers=layers, decoder_layers=layers, encoder_attention_heads=heads, decoder_attention_heads=heads,
        encoder_ffn_dim=hidden, decoder_ffn_dim=hidden, max_position_embeddings=most, bos_token_id=0, pad_token_id=1,
        eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2,
        # The class's own 0.02 suits a width of a thousand: narrower, attention would begin as an average.
        init_std=max(0.02, width**-0.5), dropout=0.0 if size in ("smoke", "small") else 0.1,
    )  # fmt: skip
    config = Florence2Config(text_config=text.to_dict(), vision_config=_VISION[size],
                             image_token_id=tokenizer.convert_tokens_to_ids("<image>"))  # fmt: skip
    model = Florence2ForConditionalGeneration(config)
    _lay_out(model, tokenizer.convert_tokens_to_ids("<loc_0>"), seed)
    return Florence(model, tokenizer, side)


@torch.no_grad()
def _lay_out(model: Any, first: int, seed: int) -> None:
    """Give locations that lie near each other vectors that are alike: waves of half a turn to twenty over all bins."""
    vectors = model.get_input_embeddings().weight
    rng = torch.Generator().manual_seed(seed)
    turns = 0.5 * 40 ** torch.rand(vectors.shape[1], generator=rng)
    phase = torch.rand(vectors.shape[1], generator=rng)
    place = torch.arange(BINS)[:, None] / BINS
    waves = 2**0.5 * torch.cos(2 * torch.pi * (turns * place + phase))
    vectors[first : first + BINS] = waves * model.config.text_config.init_std


def learnt_tokenizer(texts: Sequence[str] = ()) -> Any:
    """Bytes, pieces of `texts` that come often, then the thousand locations."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE(unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_MOST_PIECES, special_tokens=list(_SPECIAL), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    plain.train_from_iterator(texts, trainer)
    plain.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        mask_token="<mask>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    made.add_tokens([f"<loc_{place}>" for place in range(BINS)])
    return made

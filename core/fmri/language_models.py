"""Language models to begin with: of a folder, of the hub, or untrained and small, with a vocabulary of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from medpipe.core.checkpoints import sha256_of
from medpipe.core.errors import ModelError
from medpipe.core.fmri.heard_text import BEGIN, MARK
from medpipe.core.fmri.prompted_lm import PromptedLm
from medpipe.core.fmri.text_prompt import TextEncoder
from medpipe.core.hub import model_folder

SMALL: Final = "small"
LM: Final = "openai-community/gpt2"
# What Tang et al. 2023 take.
GPT: Final = "openai-community/openai-gpt"
BERT: Final = "google-bert/bert-base-uncased"
_FILES: Final = ("*.json", "*.txt", "*.safetensors")
_WEIGHTS: Final = "model.safetensors"
_END, _UNKNOWN = "<|endoftext|>", "<unk>"
_WIDTH, _LAYERS, _HEADS, _PLACES = 64, 2, 4, 512


def open_lm(name: str, texts: Sequence[str], seed: int) -> tuple[PromptedLm, dict[str, Any]]:
    """A causal language model that reads prompts, and what is known of it; see `open_causal`. Raises ModelError."""
    model, tokenizer, known = open_causal(name, texts, seed)
    return PromptedLm(model, tokenizer), known


def open_causal(name: str, texts: Sequence[str], seed: int) -> tuple[Any, Any, dict[str, Any]]:
    """A causal language model, its tokenizer, and what is known of it. `small` is GPT-2's class with 2 layers of 64,
    untrained, its vocabulary the words of `texts`. Raises ModelError.
    """
    if name == SMALL:
        return *_small_lm(texts, seed), {"name": SMALL, "trained": False}
    folder = model_folder(name, _FILES)
    return *load_pretrained(folder, "AutoModelForCausalLM", name), _known(name, folder)


def open_bert(name: str, texts: Sequence[str], seed: int) -> tuple[TextEncoder, dict[str, Any]]:
    """A model of BERT's kind, likewise. Raises ModelError."""
    if name == SMALL:
        return _small_bert(texts, seed), {"name": SMALL, "trained": False}
    folder = model_folder(name, _FILES)
    model, tokenizer = load_pretrained(folder, "AutoModel", name)
    return TextEncoder(model, tokenizer), _known(name, folder)


def load_pretrained(folder: Path, kind: str, name: str) -> tuple[Any, Any]:
    """The model, in float32, and the tokenizer of a folder, by one of transformers' Auto classes. Raises ModelError."""
    import transformers
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    # What it would print of missing weights is said below.
    set_verbosity_error()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model, found = getattr(transformers, kind).from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # transformers raises anything at all over a damaged folder
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"the model {name} cannot be loaded: {first[:200]}", unavailable=True) from None
    # Nothing reads BERT's pooler.
    missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ModelError(f"the weights of {name} lack {len(missing)} of its model's, {missing[0]} first")
    return model, tokenizer


def _known(name: str, folder: Path) -> dict[str, Any]:
    weights = folder / _WEIGHTS
    digest = {"sha256": sha256_of(weights)[:16]} if weights.is_file() else {}
    return {"name": Path(name).name if Path(name).is_dir() else name, **digest}


def _small_lm(texts: Sequence[str], seed: int) -> tuple[Any, Any]:
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = _words(texts, (_UNKNOWN, _END, BEGIN, MARK), eos_token=_END, unk_token=_UNKNOWN)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=_PLACES, n_embd=_WIDTH, n_layer=_LAYERS, n_head=_HEADS,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    torch.manual_seed(seed)
    return GPT2LMHeadModel(config), tokenizer


def _small_bert(texts: Sequence[str], seed: int) -> TextEncoder:
    from tokenizers import processors
    from transformers import BertConfig, BertModel

    special = ("[PAD]", _UNKNOWN, "[CLS]", "[SEP]")
    tokenizer = _words(texts, special, pad_token="[PAD]", unk_token=_UNKNOWN, cls_token="[CLS]", sep_token="[SEP]")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=_WIDTH, num_hidden_layers=_LAYERS, num_attention_heads=_HEADS,
        intermediate_size=2 * _WIDTH, max_position_embeddings=_PLACES,
        # Untrained, words must be told apart by their vectors.
        initializer_range=_WIDTH**-0.5,
    )  # fmt: skip
    torch.manual_seed(seed)
    return TextEncoder(BertModel(config, add_pooling_layer=False), tokenizer)


def _words(texts: Sequence[str], special: tuple[str, ...], **roles: str) -> Any:
    """A tokenizer of whole words, those of the texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = sorted({word for text in texts for word in text.split()} - {*special})
    numbers = {word: number for number, word in enumerate([*special, *known])}
    plain = Tokenizer(models.WordLevel(numbers, unk_token=_UNKNOWN))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=plain, **roles)

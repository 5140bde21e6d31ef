"""MERL's text side (arXiv 2403.06659): MedCPT's query encoder, frozen, and a trained projector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.ecg.network import Weights
from medpipe.core.ecg.torch_weights import fit
from medpipe.core.errors import ModelError
from medpipe.core.hub import hub_folder

MEDCPT: Final = "ncbi/MedCPT-Query-Encoder"
MAX_TOKENS: Final = 256
_ENCODER_KEYS: Final = "lm_model."
# Buffer of positions that older versions of transformers saved; newer ones make it anew.
_UNUSED_KEYS: Final = ("embeddings.position_ids",)
_SHAPE_FILES: Final = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_WEIGHT_FILES: Final = ("model.safetensors", "pytorch_model.bin")

T = TypeVar("T")


class MerlText:
    """Prompts into the space that MERL's ECGs share; each is encoded alone, so none depends on another.

    The released code pads every prompt to 256 tokens under a mask; without the padding the result is
    the same to rounding and many times faster.
    """

    def __init__(self, name: str, tokenizer: Any, encoder: nn.Module, projection: nn.Module) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self._encoder = encoder.eval()
        self._projection = projection.eval()

    @classmethod
    def from_weights(cls, weights: Weights, text_model: str) -> Self:
        """The text side of a full checkpoint's `lm_model.*` and `proj_t.*`.

        `text_model`, a folder or hub name, gives the tokenizer and the shape of the encoder, and its
        weights too where the checkpoint has none. Raises ModelError.
        """
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        if "proj_t.0.weight" not in weights or "proj_t.2.weight" not in weights:
            raise ModelError("this checkpoint holds no text projector (proj_t); scores need MERL's full *_ckpt.pth")
        own = _without(weights, _ENCODER_KEYS)
        folder = _folder(text_model, with_weights=not own)
        tokenizer = _pretrained(AutoTokenizer.from_pretrained, folder)
        if own:
            encoder = AutoModel.from_config(_pretrained(AutoConfig.from_pretrained, folder))
            fit(encoder, own, "the checkpoint's lm_model", text_model, _UNUSED_KEYS)
        else:
            encoder = _tower(folder)
        name = Path(text_model).name if Path(text_model).is_dir() else text_model
        return cls(name, tokenizer, encoder, projector(weights, int(encoder.config.hidden_size)))

    @torch.inference_mode()
    def encode(self, text: str) -> NDArray[np.float32]:
        """One prompt, lower-cased and cut at 256 tokens -> [256], not of unit length."""
        tokens = self._tokenizer(text.lower(), truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        pooled = self._encoder(**tokens).pooler_output
        projected: NDArray[np.float32] = self._projection(pooled)[0].numpy()
        return projected


def _tower(folder: Path) -> nn.Module:
    from transformers import AutoModel, logging

    logging.disable_progress_bar()
    load = partial(AutoModel.from_pretrained, output_loading_info=True)
    encoder, said = _pretrained(load, folder)
    # Left alone, they would be drawn at random, and so would the scores.
    if missing := sorted(said["missing_keys"]):
        raise ModelError(f"the text encoder in {folder} lacks weights: {', '.join(missing[:3])}")
    network: nn.Module = encoder
    return network


def projector(weights: Weights, width: int) -> nn.Sequential:
    """A checkpoint's `proj_t` for text vectors of this width. Raises ModelError."""
    hidden, out = weights["proj_t.0.weight"].shape[0], weights["proj_t.2.weight"].shape[0]
    projection = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))
    fit(projection, _without(weights, "proj_t."), "the checkpoint's proj_t", f"a text encoder of width {width}", ())
    return projection


def _without(weights: Weights, prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def _folder(text_model: str, *, with_weights: bool) -> Path:
    """Where the text encoder lies: the folder itself, or that of a hub name."""
    if Path(text_model).is_dir():
        return Path(text_model)
    patterns = _SHAPE_FILES + (_WEIGHT_FILES if with_weights else ())

    def enough(folder: Path) -> bool:
        shape = (folder / "config.json").is_file() and any(
            (folder / name).is_file() for name in ("tokenizer.json", "vocab.txt")
        )
        return shape and (not with_weights or any((folder / name).is_file() for name in _WEIGHT_FILES))

    try:
        return hub_folder(text_model, patterns, enough)
    except ModelError as error:
        raise ModelError(f"the text model {error}, or give its folder with --text-model", unavailable=True) from error


def _pretrained(load: Callable[..., T], folder: Path) -> T:
    try:
        return load(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"the folder {folder} holds no text encoder with its tokenizer") from error

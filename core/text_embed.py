"""Frozen text encoders: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import ModelError

_LONGEST: Final = 256
_BATCH: Final = 32


class TextEncoder(Protocol):
    """Each text on its own, whatever its neighbours."""

    @property
    def name(self) -> str:
        """Tells it from all others."""
        ...

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dim] of texts that are not empty."""
        ...


def open_text_encoder(name: str, device: str = "cpu") -> TextEncoder:
    """`default` for the tower inside the package, else a folder or hub name of a transformers encoder. ModelError."""
    return ShippedText() if name == "default" else PretrainedText(name, device)


class ShippedText:
    """The sentence embedder of the default ECG checkpoint, in numpy."""

    name = "default"
    dim = 384

    def __init__(self) -> None:
        from medpipe.core.ecg.default_model import open_text_tower

        self._tower = open_text_tower()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See TextEncoder."""
        return np.stack([self._tower.encode(text) for text in texts])


class PretrainedText:
    """A BERT-like model of transformers: its pooler's output, as MERL takes MedCPT's, else the mean over tokens."""

    def __init__(self, name: str, device: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.name = name
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            model = AutoModel.from_pretrained(name, trust_remote_code=False, use_safetensors=True)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise ModelError(f"the text model {name} cannot be loaded: {first}", unavailable=True) from None
        self._model = model.to(device).eval()
        self.dim = int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See TextEncoder; of each text the first 256 pieces count."""
        import torch

        # Of like length together: padding costs, and is masked.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            read = self._tokenizer(
                [texts[place] for place in places], padding=True, truncation=True, max_length=_LONGEST,
                return_tensors="pt",
            ).to(self._model.device)  # fmt: skip
            with torch.inference_mode():
                vectors[places] = self._pooled(self._model(**read), read["attention_mask"]).float().cpu().numpy()
        return vectors

    @staticmethod
    def _pooled(output: Any, mask: Any) -> Any:
        if getattr(output, "pooler_output", None) is not None:
            return output.pooler_output
        shown = mask[..., None].to(output.last_hidden_state.dtype)
        return (output.last_hidden_state * shown).sum(1) / shown.sum(1)

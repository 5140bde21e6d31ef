"""Word pieces as vectors, by a BERT-like model of a local folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.checkpoints import checkpoint_file, sha256_of
from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.metric import Array
from medpipe.core.metrics.text.words import Text, Texts

_BATCH: Final = 32
_LONGEST: Final = 512
# Texts whose pieces are kept: a third of a gigabyte of BERT-base's, at 20 s of speech each.
_KEPT: Final = 2048


@dataclass(frozen=True, slots=True)
class Pieces:
    """Of one text the numbers of its pieces [pieces], their vectors of length 1 [pieces, dim], and these with those of
    the marks of its begin and end, [pieces + marks, dim].
    """

    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]
    marked: NDArray[np.float32]

    def mean(self) -> Array:
        """The direction of the mean vector [dim]; zeros for a text without pieces."""
        whole = self.vectors.sum(axis=0, dtype=np.float64)
        direction: Array = whole / max(float(np.linalg.norm(whole)), 1e-12)
        return direction


class BertEmbedding:
    """One layer's output. What was read is kept for a while.

    Args:
        folder: config, tokenizer and weights as safetensors; nothing is fetched.
        layer: which layer's output, 1 the first; None the last. bert-score takes 9 of bert-base-uncased's 12.
        device: as torch names it.

    Raises:
        ModelError: the folder holds no such model, or the model no such layer.

    Attributes:
        cut: texts that were longer than the model reads, and so were cut.
    """

    def __init__(self, folder: str, layer: int | None = None, device: str = "cpu") -> None:
        from medpipe.core.device import torch_device

        if not Path(folder).is_dir():
            raise ModelError(f"{folder}: no folder with a BERT model", unavailable=True)
        self.sha256 = sha256_of(checkpoint_file(Path(folder)))
        self._tokenizer, model = _load(folder)
        layers = int(model.config.num_hidden_layers)
        self.layer = layers if layer is None else layer
        if not 1 <= self.layer <= layers:
            raise ModelError(f"{folder} has {layers} layers, not a layer {self.layer}")
        self._model: Any = model.to(torch_device(device)).eval()
        told = (getattr(model.config, "max_position_embeddings", _LONGEST), self._tokenizer.model_max_length)
        self._longest = int(min(_LONGEST, *told))
        self._kept: dict[str, Pieces] = {}
        self.cut = 0

    def read(self, texts: Texts) -> list[Pieces]:
        """Of each text its pieces; none for one without words."""
        asked = {one.raw for one in texts if one.words}
        if len(self._kept) > _KEPT:
            self._kept = {raw: pieces for raw, pieces in self._kept.items() if raw in asked}
        # Of like length together: padding costs, and is masked.
        new = sorted(asked - self._kept.keys(), key=lambda raw: (len(raw), raw))
        for start in range(0, len(new), _BATCH):
            self._read_batch(new[start : start + _BATCH])
        return [self._kept[one.raw] if one.words else self._nothing() for one in texts]

    def _nothing(self) -> Pieces:
        nothing = np.zeros((0, int(self._model.config.hidden_size)), np.float32)
        return Pieces(np.zeros(0, np.int64), nothing, nothing)

    def number(self, text: Text) -> NDArray[np.int64]:
        """The pieces of a text by number, without reading it."""
        asked = self._tokenizer(text.raw, truncation=True, max_length=self._longest, add_special_tokens=False)
        return np.array(asked["input_ids"], np.int64)

    def _read_batch(self, raws: list[str]) -> None:
        import torch

        asked = self._tokenizer(
            raws, padding=True, truncation=True, max_length=self._longest, return_tensors="pt",
            return_special_tokens_mask=True,
        )  # fmt: skip
        there = asked["attention_mask"].bool().numpy()
        own = there & ~asked.pop("special_tokens_mask").bool().numpy()
        self.cut += sum(len(one) > self._longest for one in self._tokenizer(raws)["input_ids"])
        with torch.inference_mode():
            states = self._model(**asked.to(self._model.device), output_hidden_states=True).hidden_states[self.layer]
            states = torch.nn.functional.normalize(states.float(), dim=-1).cpu().numpy()
        numbers = asked["input_ids"].cpu().numpy()
        for row, raw in enumerate(raws):
            self._kept[raw] = Pieces(numbers[row][own[row]], states[row][own[row]], states[row][there[row]])


def _load(folder: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    # A head that is not wanted, bars of a load that takes a second: nothing that a user can act on.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModel.from_pretrained(folder, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"the BERT model {folder} cannot be loaded: {said}") from None
    if tokenizer.pad_token is None or model.config.is_encoder_decoder:
        raise ModelError(f"{folder} is a {model.config.model_type}, no model like BERT")
    return tokenizer, model

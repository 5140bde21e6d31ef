"""An encoder that ecg-train has made, with the text side that it was trained beside: cosines, or a query decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.core.ecg.cosine import CosineScorer
from medpipe.core.ecg.merl_text import projector
from medpipe.core.ecg.query_decoder import QueryDecoder
from medpipe.core.ecg.torch_encoder import TorchEncoder
from medpipe.core.ecg.trained_folder import MODEL, Trained, open_trained
from medpipe.core.errors import InputError, ModelError
from medpipe.core.text_embed import TextEncoder, open_text_encoder

Array = NDArray[np.float32]
_WEIGHTS: Final = ("best.safetensors", "last.safetensors")


def is_trained(model: str) -> bool:
    """Whether a name leads to a folder of ecg-train, or to its weights."""
    path = Path(model)
    return (path / MODEL).is_file() or (path.name in _WEIGHTS and path.with_name(MODEL).is_file())


def trained_weights(model: str) -> Path:
    """The weights' file that the name means: best where a folder has it, else last. Raises ModelError."""
    path = Path(model)
    if path.name in _WEIGHTS:
        return path
    found = [path / name for name in _WEIGHTS if (path / name).is_file()]
    if not found:
        raise ModelError(f"{model} holds no weights yet: its training has not come so far", unavailable=True)
    return found[0]


class TrainedEncoder(TorchEncoder):
    """See Encoder. `decodes` where scores come from a query decoder that looks at tokens, not at the embedding."""

    def __init__(self, model: str, *, arch: str | None, device: str, batch_size: int, text_model: str | None) -> None:
        """Raises ModelError where the folder is not whole or was trained with another architecture or text model."""
        path = trained_weights(model)
        which: Literal["best", "last"] = "best" if path.name.startswith("best") else "last"
        trained = open_trained(path.parent, which, arch=arch, text_model=text_model)
        super().__init__(
            trained.network, name=str(path), sha256=trained.sha256, trained=True, device=device, batch_size=batch_size
        )
        self._trained = trained
        self.decodes = trained.decoder is not None
        self.score_kind = "probability" if self.decodes else "cosine"

    @property
    def text_name(self) -> str:
        """The frozen text encoder of the training."""
        return str(self._trained.facts["text"]["model"])

    def scorer(self, queries: Sequence[str], text_model: str | None = None) -> Any:
        """Cosines with the texts, or a DecoderScorer. Raises ModelError."""
        text = open_text_encoder(self.text_name, str(self.device))
        if text.dim != self._trained.facts["text"]["dim"]:
            raise ModelError(
                f"the text model {text.name} gives vectors of {text.dim} numbers, {self.name} was trained with"
                f" {self._trained.facts['text']['dim']}"
            )
        name = f"{self.name} with {text.name}"
        if self._trained.decoder is not None:
            vectors = text.encode([query.lower() for query in queries])
            return DecoderScorer(name, self._trained.decoder.to(self.device), vectors, self.device)
        return CosineScorer(name, queries, Projected(text, self._trained))


class Projected:
    """Texts through the frozen encoder and the trained projector, into the space of the ECGs."""

    def __init__(self, text: TextEncoder, trained: Trained) -> None:
        weights = getattr(trained.network, "text_weights", {})
        if not weights:
            raise ModelError(f"{trained.path} holds no text projector: it was trained without reports")
        self._text = text
        self._projection: nn.Module = projector(weights, text.dim).eval()

    @torch.inference_mode()
    def encode(self, text: str) -> Array:
        """[dim] of one text."""
        vector = torch.from_numpy(self._text.encode([text.lower()]))
        projected: Array = self._projection(vector)[0].numpy()
        return projected


class DecoderScorer:
    """Probabilities of queries by a decoder that looks at an ECG's tokens; `together` where queries see each other."""

    def __init__(self, name: str, decoder: QueryDecoder, queries: Array, device: torch.device) -> None:
        self.kind, self.name = "probability", name
        self.together = decoder.shape.self_attention
        self._decoder, self._device = decoder.eval(), device
        self._queries = torch.from_numpy(queries).to(device)

    def score(self, embedding: Array, pooling: str | None = None) -> Array:
        """An embedding cannot be scored: InputError."""
        raise InputError("no-tokens", f"{self.name} scores tokens, which the record has not: ecg-encode --tokens")

    @torch.inference_mode()
    def look(self, windows: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Tokens [n, d] of each window -> probabilities [Q] of the mean logits, attention [Q, n] of each window.

        Raises InputError for tokens of another width.
        """
        logits, attention = [], []
        for tokens in windows:
            if tokens.ndim != 2 or tokens.shape[1] != self._decoder.shape.memory:
                raise InputError(
                    "token-width",
                    f"the tokens are {list(tokens.shape)}, the decoder takes {self._decoder.shape.memory}",
                )
            memory = torch.from_numpy(np.ascontiguousarray(tokens, np.float32)).to(self._device)
            found, weights = self._decoder.attend(memory[None], self._queries)
            logits.append(found[0].double().cpu().numpy())
            attention.append(weights[0].float().cpu().numpy())
        chance: Array = (0.5 * (1 + np.tanh(np.mean(logits, axis=0) / 2))).astype(np.float32)
        return chance, attention

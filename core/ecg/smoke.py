"""A tiny untrained encoder with a text side, to try a pipeline before its weights are there.

The lead-aware architecture of K-MERL, two blocks deep, and a bag of hashed words beside it.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.core.ecg.kmerl import LeadVit

ARCH: Final = "smoke"
_WORDS: Final = 4096
_WIDTH: Final = 64


class SmokeNetwork(LeadVit):
    """LeadVit at a fraction of its size, with words in the same space."""

    kind: Literal["features", "contrastive"] = "contrastive"

    def __init__(self) -> None:
        super().__init__(ARCH, width=_WIDTH, depth=2, heads=1, hidden=2 * _WIDTH, patch=250)
        self.words = nn.EmbeddingBag(_WORDS, _WIDTH)

    def text_side(self, text_model: str | None) -> HashedWords:
        """See EcgNetwork; no other text model fits."""
        return HashedWords(self.words)


class HashedWords:
    """The mean of its words' vectors stands for a text; the empty text has none and is a zero."""

    name = "hashed words"

    def __init__(self, table: nn.EmbeddingBag) -> None:
        self._table = table

    @torch.inference_mode()
    def encode(self, text: str) -> NDArray[np.float32]:
        """[dim]."""
        words = [zlib.crc32(word.encode()) % _WORDS for word in re.findall(r"\w+", text.lower())]
        tokens = torch.tensor(words, dtype=torch.long)
        vector: NDArray[np.float32] = self._table(tokens, torch.tensor([0]))[0].numpy()
        return vector

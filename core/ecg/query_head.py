"""From a text to the linear classifier that scores it: a blend of the classifiers of known concepts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.text_tower import TextTower
from medpipe.core.errors import InputError

Array = NDArray[np.float32]


class QueryHead:
    """Shares of the concepts by a small network on the text's vector, and the concepts' classifiers.

    The classifier of a text is the sum of the concepts' classifiers times their shares, which add up to
    one together with the share of `unrelated`, whose score is low for every recording. So it is linear
    in the embedding, and depends on no other text.
    """

    def __init__(
        self, tower: TextTower, hidden: tuple[Array, Array], shares: tuple[Array, Array], concepts: tuple[Array, Array]
    ) -> None:
        """Weights [width, 384] and bias [width]; [concepts, width] and [concepts]; [concepts, dim] and [concepts]."""
        self._tower, self._hidden, self._shares, self._concepts = tower, hidden, shares, concepts

    @classmethod
    def load(cls, text: Path, tokenizer: Path, queries: Path) -> Self:
        """From the shipped files. Raises ModelError."""
        from safetensors.numpy import load_file

        stored = {name: value.astype(np.float32) for name, value in load_file(queries).items()}
        pairs = [(stored[f"{part}.weight"], stored[f"{part}.bias"]) for part in ("hidden", "shares", "concepts")]
        return cls(TextTower(load_file(text), tokenizer), *pairs)

    def read(self, queries: Sequence[str]) -> tuple[Array, Array]:
        """Weights [queries, dim] and biases [queries]. Raises InputError (`empty-query`)."""
        if not queries:
            raise InputError("no-queries", "there are no queries to score")
        found = [self.blend(self.concept_shares(self._tower.encode(query))) for query in queries]
        return np.stack([weight for weight, _ in found]), np.array([bias for _, bias in found], np.float32)

    def concept_shares(self, vector: Array) -> Array:
        """A text's vector [384] -> shares [concepts], `unrelated` last."""
        inner = np.maximum(self._hidden[0] @ vector + self._hidden[1], 0)
        logits = self._shares[0] @ inner + self._shares[1]
        powers = np.exp(logits - logits.max())
        shares: Array = powers / powers.sum()
        return shares

    def blend(self, shares: Array) -> tuple[Array, np.float32]:
        """Shares [concepts] -> weight [dim] and bias of one classifier."""
        return shares @ self._concepts[0], np.float32(shares @ self._concepts[1])

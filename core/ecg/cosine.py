"""Cosines of an ECG's embedding and texts (MERL's zero-shot protocol, arXiv 2403.06659)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

MEAN_OF_UNITS: Final = "mean of unit vectors"
_SHORTEST: Final = 1e-12


class TextEncoder(Protocol):
    """Texts, one by one, to vectors of the space."""

    def encode(self, text: str) -> NDArray[np.float32]:
        """[dim]."""
        ...


class CosineScorer:
    """Scores of embeddings against `queries`; no score depends on another query or another record."""

    def __init__(self, name: str, queries: Sequence[str], text: TextEncoder) -> None:
        self.kind, self.name = "cosine", name
        self._texts = [unit(text.encode(query)) for query in queries]

    def score(self, embedding: NDArray[np.float32], pooling: str | None = None) -> NDArray[np.float32]:
        """One embedding [dim] -> its cosine with each query [q].

        An embedding with `pooling` "mean of unit vectors" is taken as it is, so that its score is the
        mean of its windows' cosines. Raises InputError for an embedding of another width.
        """
        if any(text.shape != embedding.shape for text in self._texts):
            raise InputError(
                "embedding-width",
                f"the embedding is {list(embedding.shape)}, the texts are {list(self._texts[0].shape)}",
            )
        vector = embedding.astype(np.float64) if pooling == MEAN_OF_UNITS else unit(embedding)
        # One product at a time: a matrix product's rounding may depend on how many rows there are.
        return np.array([float((text * vector).sum()) for text in self._texts], np.float32)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors [..., dim] brought to length one, in float64; a vector of zeros stays."""
    precise = vectors.astype(np.float64)
    lengths = np.sqrt((precise * precise).sum(axis=-1, keepdims=True))
    scaled: NDArray[np.float64] = precise / np.maximum(lengths, _SHORTEST)
    return scaled

"""What every torch ECG encoder of medpipe answers to, whatever its paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.errors import ModelError

Weights = Mapping[str, Tensor]
# What pre-training puts beside the encoder in one file, such as a query decoder, has names that begin so.
HEADS: Final = "heads."


class TextSide(Protocol):
    """The text encoder of a space that ECGs and text share."""

    name: str

    def encode(self, text: str) -> NDArray[np.float32]:
        """One text, on its own, to a vector [dim] of any length."""
        ...


class EcgNetwork(nn.Module):
    """An encoder of one window of an ECG, prepared by the preset of its name."""

    arch: str
    preset: str
    # Which of the model's spaces `embed` gives: part of the name of the embedding space.
    kind: Literal["features", "contrastive"]
    dim: int

    @classmethod
    def untrained(cls, arch: str) -> Self:
        """The architecture `arch` with freshly drawn weights."""
        raise NotImplementedError

    @classmethod
    def recognise(cls, weights: Weights) -> str | None:
        """The architecture whose weights these are, judged by names and shapes; None if not of this method."""
        raise NotImplementedError

    @classmethod
    def from_weights(cls, arch: str, weights: Weights, source: str) -> Self:
        """`arch` with these weights, which must fit it exactly; ModelError, naming `source`, if not."""
        raise NotImplementedError

    def embed(self, x: Tensor, present: Tensor) -> Tensor:
        """[B, 12, samples] and which rows are real [B, 12] -> [B, dim]."""
        raise NotImplementedError

    def tokens(self, x: Tensor, present: Tensor) -> Tensor:
        """[B, 12, samples] and which rows are real, the same ones for all [B, 12] -> [B, n, d]."""
        raise NotImplementedError

    def token_places(self, present: NDArray[np.bool_]) -> list[tuple[str | None, int]]:
        """For each token its lead, None where leads are mixed, and the number of its piece of time."""
        raise NotImplementedError

    def text_side(self, text_model: str | None) -> TextSide:
        """The text encoder that shares this space; ModelError, which says what is missing, if there is none.

        `text_model` is a folder or hub name for what the checkpoint itself does not hold, or None for
        the method's own.
        """
        raise ModelError(f"{self.arch} has no text side here, so it gives embeddings and no scores")

    def for_inference(self) -> Self:
        """The same function, equal to rounding, arranged for one CPU core; no longer to be trained."""
        return self


def lead_sets(present: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """The rows of `present` [B, leads] gathered by equal lead set, each set in order of first sight."""
    found: dict[bytes, list[int]] = {}
    for row, mask in enumerate(present):
        found.setdefault(mask.tobytes(), []).append(row)
    return [np.array(rows) for rows in found.values()]

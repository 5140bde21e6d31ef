"""What every ECG encoder answers to, embedded or torch, and what a scorer of text queries does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Scorer(Protocol):
    """Text queries made ready for one embedding space."""

    kind: str
    name: str

    def score(self, embedding: NDArray[np.float32], pooling: str | None) -> NDArray[np.float32]:
        """One number a query for an embedding [dim]; `pooling` says how it was pooled over windows."""
        ...


@runtime_checkable
class Looking(Protocol):
    """A scorer that looks at tokens rather than at an embedding."""

    kind: str
    name: str

    def look(self, windows: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Tokens [n, d] of each window -> one number a query, and for each window attention [queries, n]."""
        ...


class Encoder(Protocol):
    """An ECG encoder of windows of `seconds` at `fs` Hz."""

    name: str
    sha256: str
    preset: str
    preset_digest: str
    space: str
    dim: int
    trained: bool
    fs: float
    seconds: float
    leads: tuple[str, ...]
    needs_all_leads: bool
    pooling: str
    score_kind: str

    def prepare(
        self, signal: NDArray[np.float32], fs: float, leads: Sequence[str], missing: str = "error"
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One window [k, n] -> x [rows, samples], present [rows]; InputError when it cannot be used."""
        ...

    def encode(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
        """[B, rows, samples], [B, rows] -> [B, dim]."""
        ...

    def tokens(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """[B, rows, samples], [B, rows] -> B arrays [n, d]."""
        ...

    def token_places(self, present: NDArray[np.bool_]) -> list[tuple[str | None, int]]:
        """For each token its lead, None where leads are mixed, and the number of its piece of time."""
        ...

    def scorer(self, queries: Sequence[str]) -> Scorer:
        """Text queries for this encoder's space; ModelError when it has no text side."""
        ...


def label(encoder: Encoder) -> str:
    """The model as `via` names it, with the digest of its preprocessing."""
    return f"{encoder.name}@{encoder.sha256[:12]} preset={encoder.preset}@{encoder.preset_digest}"


def describe(encoder: Encoder) -> dict[str, object]:
    """What a record says of the encoder that made its embedding."""
    facts: dict[str, object] = {
        "name": encoder.name,
        "sha256": encoder.sha256,
        "preset": encoder.preset,
        "space": encoder.space,
        "dim": encoder.dim,
    }
    return facts if encoder.trained else {**facts, "trained": False}

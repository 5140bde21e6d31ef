"""Fixed features of windows behind the interface of encoders: what a baseline sees, with the windows of the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg import preprocess_default
from medpipe.core.ecg.encoder import Scorer
from medpipe.core.errors import ModelError

# One window x [12, 1000] and which rows are real [12] -> features [dim].
Features = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]


class WindowFeatures:
    """Features of windows that are prepared as for the default model; it has neither tokens nor a text side.

    Args:
        name: what records call it.
        features: of one window.
    """

    trained: bool = False
    needs_all_leads: bool = False
    pooling: str = "mean"
    score_kind: str = "none"
    preset: str = preprocess_default.NAME
    preset_digest: str = preprocess_default.NAME
    leads: tuple[str, ...] = preprocess_default.LEADS
    fs: float = preprocess_default.FS
    seconds: float = preprocess_default.SAMPLES / preprocess_default.FS

    def __init__(self, name: str, features: Features) -> None:
        self.name, self._features = name, features
        self.sha256 = hashlib.sha256(f"medpipe {name}".encode()).hexdigest()
        self.space = name
        silence = np.zeros((len(self.leads), preprocess_default.SAMPLES), np.float32)
        self.dim = len(features(silence, np.ones(len(self.leads), bool)))

    def prepare(
        self, signal: NDArray[np.float32], fs: float, leads: Sequence[str], missing: str = "error"
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One window [k, n] -> x [12, 1000] and which rows are real [12]; see `preprocess_default.prepare`."""
        return preprocess_default.prepare(signal, fs, leads, missing)

    def encode(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
        """x [B, 12, 1000] and present [B, 12] -> features [B, dim], window by window."""
        made = [self._features(window, mask) for window, mask in zip(x, present, strict=True)]
        return np.array(made, np.float32).reshape(len(x), self.dim)

    def tokens(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Raises ModelError."""
        raise ModelError(f"{self.name} has no tokens")

    def token_places(self, present: NDArray[np.bool_]) -> list[tuple[str | None, int]]:
        """Raises ModelError."""
        raise ModelError(f"{self.name} has no tokens")

    def scorer(self, queries: Sequence[str]) -> Scorer:
        """Raises ModelError."""
        raise ModelError(f"{self.name} has no text side")

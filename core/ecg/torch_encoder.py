"""A torch ECG encoder behind the interface that all encoders share: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.core.device import torch_device
from medpipe.core.ecg.cosine import MEAN_OF_UNITS, CosineScorer, unit
from medpipe.core.ecg.network import EcgNetwork, lead_sets
from medpipe.core.ecg.presets import PRESETS

Run = Callable[[Tensor, Tensor], Tensor]


class TorchEncoder:
    """An encoder of windows and, where its checkpoint has a text side, a scorer of texts.

    Windows run in batches of exactly `batch_size` with the same leads, filled up with empty ones; the
    size decides the shape of every product, so that a window's result does not depend on its
    neighbours. `space` names what embeddings may be compared: architecture, kind and checkpoint.

    Args:
        network: the model with its weights.
        name: what `open_encoder` opens it by.
        sha256: digest of the checkpoint, or for drawn weights of what they were drawn from.
        trained: whether the weights come from training.
        device: `cpu`, `cuda` or `auto`.
        batch_size: windows that run together.
        text_model: folder or hub name of the text encoder, where the checkpoint holds none.
    """

    def __init__(
        self,
        network: EcgNetwork,
        *,
        name: str,
        sha256: str,
        trained: bool,
        device: str = "cpu",
        batch_size: int = 1,
        text_model: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"a batch size of {batch_size}")
        self.name, self.sha256, self.trained = name, sha256, trained
        self.score_kind = "cosine"
        self.arch, self.preset, self.dim = network.arch, network.preset, network.dim
        self.space = f"{self.arch}/{network.kind}/{sha256[:12]}"
        self.batch_size = batch_size
        self._preset = PRESETS[network.preset]
        self.preset_digest = self._preset.digest
        self.fs, self.seconds, self.leads = self._preset.fs, self._preset.seconds, self._preset.leads
        self.needs_all_leads = self._preset.needs_all_leads
        self.pooling = MEAN_OF_UNITS if network.kind == "contrastive" else "mean"
        self.device = torch_device(device)
        self._text_model = text_model
        network = network.eval()
        self._network = network.for_inference() if self.device.type == "cpu" else network.to(self.device)

    def prepare(
        self, signal: NDArray[np.float32], fs: float, leads: Sequence[str], missing: str = "error"
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One window [k, n] at `fs` Hz, named leads -> x [12, samples] and which rows are real [12].

        The preset says how; `missing` is `error` or `zero`, for a lead that the model needs and the
        record has not. Raises InputError.
        """
        return self._preset.prepare(signal, fs, leads, missing)

    def encode(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Prepared windows [B, 12, samples] and their real rows [B, 12] -> embeddings [B, dim], as published."""
        out = np.empty((len(x), self.dim), np.float32)
        for rows in self._batches(present):
            out[rows] = self._run(self._network.embed, x, present, rows)
        return out

    def tokens(self, x: NDArray[np.float32], present: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """The tokens behind each embedding: for window i an array [n_i, d]; `token_places` says what they are."""
        out: list[NDArray[np.float32]] = [np.empty((0, 0), np.float32)] * len(x)
        for rows in self._batches(present):
            for row, tokens in zip(rows, self._run(self._network.tokens, x, present, rows), strict=True):
                out[row] = tokens
        return out

    def token_places(self, present: NDArray[np.bool_]) -> list[tuple[str | None, int]]:
        """For each token of a window with these rows [12]: its lead, None where mixed, and its place in time."""
        return self._network.token_places(present)

    def pool(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Several windows' embeddings [k, dim] -> the recording's [dim], by the mean that `pooling` names.

        The mean of unit vectors is itself shorter than one: its products with texts are the means of
        the windows' cosines.
        """
        windows = unit(embeddings) if self.pooling == MEAN_OF_UNITS else embeddings.astype(np.float64)
        pooled: NDArray[np.float32] = windows.mean(axis=0).astype(np.float32)
        return pooled

    def scorer(self, queries: Sequence[str], text_model: str | None = None) -> CosineScorer:
        """A scorer of embeddings of this space against these texts; ModelError where it has no text side."""
        text = self._network.text_side(text_model or self._text_model)
        return CosineScorer(f"{self.name} with {text.name}", queries, text)

    def _batches(self, present: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
        groups = [np.arange(len(present))] if self.needs_all_leads else lead_sets(present)
        for group in groups:
            for start in range(0, len(group), self.batch_size):
                yield group[start : start + self.batch_size]

    @torch.inference_mode()
    def _run(
        self, run: Run, x: NDArray[np.float32], present: NDArray[np.bool_], rows: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        batch = np.zeros((self.batch_size, *x.shape[1:]), np.float32)
        batch[: len(rows)] = x[rows]
        mask = np.repeat(present[rows[:1]], self.batch_size, axis=0)
        # TF32, on by default, is good for three digits; the rest keeps a run repeatable.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            out = run(torch.from_numpy(batch).to(self.device), torch.from_numpy(mask).to(self.device))
        # A copy, so that no empty window is kept alive.
        return np.array(out[: len(rows)].float().cpu().numpy())

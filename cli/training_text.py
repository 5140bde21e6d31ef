"""Vectors of texts by a frozen encoder, made once and kept beside the run."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.core.text_embed import TextEncoder

_PIECE = 256


def text_vectors(
    encoder: TextEncoder, texts: Sequence[str], folder: Path, *, quiet: bool, beside: Path | None = None
) -> NDArray[np.float32]:
    """Vectors [n, dim] of the texts, mapped from a file of `beside` or `folder`; the latter gets it if neither has."""
    told = hashlib.sha256("\0".join([encoder.name, *texts]).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    name = f"texts-{told}.npy"
    path = beside / name if beside is not None and (beside / name).exists() else folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".part{os.getpid()}.npy")
        made = np.lib.format.open_memmap(part, "w+", np.float32, (len(texts), encoder.dim))
        for start in _progress(range(0, len(texts), _PIECE), quiet):
            made[start : start + _PIECE] = encoder.encode(texts[start : start + _PIECE])
        made.flush()
        del made
        part.replace(path)
    vectors: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return vectors


def _progress(pieces: range, quiet: bool) -> Sequence[int]:
    if quiet or not sys.stderr.isatty():
        return pieces
    from tqdm import tqdm

    shown: Sequence[int] = tqdm(pieces, desc="texts", unit_scale=_PIECE, unit=" texts", file=sys.stderr)
    return shown

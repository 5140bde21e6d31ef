"""Whether a story that is to be tested on was learnt from under any name: by its words, whole and in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

GRAM: Final = 8
# Chance phrases of eight words are shared by some stories; a hundredth of a story is not chance.
SHARE: Final = 0.01
SHARE_OF_WINDOW: Final = 0.5
Grams = NDArray[np.int64]


def fingerprint(words: Sequence[str]) -> str:
    """Sixteen hex digits over the words."""
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def grams(words: Sequence[str]) -> Grams:
    """64-bit hashes of all runs of eight words, sorted and without repeats; of a shorter text that of the whole."""
    count = max(1, len(words) - GRAM + 1) if words else 0
    texts = [" ".join(words[start : start + GRAM]) for start in range(count)]
    hashed = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.unique(np.frombuffer(b"".join(hashed), "<i8").astype(np.int64))


def leak(name: str, own: Grams, learnt: Mapping[str, Grams], share: float = SHARE) -> str | None:
    """Why a story is one of those learnt from, None where it is none: its name, or a share of its eight-word runs.

    Of a single window, whose runs are few, another `share` tells.
    """
    if name in learnt:
        return f"{name} is in both"
    for other, theirs in learnt.items():
        shared = np.isin(own, theirs, assume_unique=True).mean() if len(own) else 0.0
        if shared >= share:
            return f"{name} has {shared:.0%} of its runs of {GRAM} words in common with {other}"
    return None

"""Record ids: how they are made from paths, and how repeats are found in little memory."""

from __future__ import annotations

import hashlib
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

_SUFFIXES = (".gz", ".zst", ".jsonl", ".hea", ".dat", ".mat", ".edf", ".bdf", ".csv", ".tsv", ".dcm", ".h5", ".hdf5",
             ".hf5", ".nii", ".gii", ".dtseries", ".func", ".png", ".jpg", ".jpeg", ".tif", ".tiff")  # fmt: skip


def path_id(path: str, scheme: str = "path") -> str:
    """The id of a file.

    Args:
        path: as the user gave it.
        scheme: `path` (without suffix and leading `./`), `stem` (the name alone), or `hash` (16 hex digits
            of the SHA-256 of the path id, which says nothing about the path).
    """
    plain = path
    while plain.startswith("./"):
        plain = plain[2:].lstrip("/")
    for suffix in _SUFFIXES:
        if plain.lower().endswith(suffix) and len(PurePath(plain).name) > len(suffix):
            plain = plain[: -len(suffix)]
    if scheme == "stem":
        return PurePath(plain).name
    if scheme == "hash":
        return hash_id(plain)
    return plain


def hash_id(text: str) -> str:
    """16 hex digits that stand for an id without showing it."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class SeenIds:
    """A set of 64-bit hashes of ids, at most 16 bytes an id once it is large.

    Two different ids collide with a probability of n^2 / 2^65: one in three million for ten million records.
    """

    def __init__(self) -> None:
        self._table: NDArray[np.uint64] = np.zeros(1024, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, text: str) -> bool:
        """Add an id; True when it was new."""
        key = self._hash(text)
        slot, found = self._slot(self._table, key)
        if found:
            return False
        self._table[slot] = key
        self._count += 1
        if self._count * 10 > len(self._table) * 9:
            self._grow()
        return True

    def repeat_name(self, text: str) -> str:
        """The id that the next repeat of `text` takes, `ID~2` and on; it is added."""
        low, high = 1, 2
        while f"{text}~{high}" in self:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if f"{text}~{middle}" in self:
                low = middle
            else:
                high = middle
        self.add(f"{text}~{high}")
        return f"{text}~{high}"

    def __contains__(self, text: str) -> bool:
        return self._slot(self._table, self._hash(text))[1]

    @staticmethod
    def _hash(text: str) -> int:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "little") or 1

    @staticmethod
    def _slot(table: NDArray[np.uint64], key: int) -> tuple[int, bool]:
        size = len(table)
        slot = key % size
        while (held := int(table[slot])) != 0:
            if held == key:
                return slot, True
            slot = (slot + 1) % size
        return slot, False

    def _grow(self) -> None:
        larger: NDArray[np.uint64] = np.zeros(len(self._table) * 3 // 2 | 1, np.uint64)
        for key in self._table[self._table != 0]:
            slot, _ = self._slot(larger, int(key))
            larger[slot] = key
        self._table = larger

"""What decoding asks of a window: is it cut as those that a model was learnt from, and of a story not seen?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from medpipe.cli.fmri_window_index import disagreement, window_facts
from medpipe.core.errors import InputError
from medpipe.core.fmri.story_leaks import SHARE_OF_WINDOW, Grams, grams, leak
from medpipe.formats.jsonl import Record


def texts_of(record: Record) -> list[str] | None:
    """What was heard in each volume, where a window says it."""
    found = record.get("tr_texts")
    good = isinstance(found, list) and found and all(isinstance(text, str) for text in found)
    return found if good else None


def check_kind(record: Record, said: Mapping[str, Any]) -> None:
    """Raises InputError for a window that is not as a model's own."""
    if differs := disagreement(window_facts(record), said):
        raise InputError("wrong-windows", f"the window {differs}")


def leak_of(record: Record, stories: Mapping[str, Grams]) -> str | None:
    """Why a model has learnt from a window's story, None where it has not."""
    words = " ".join(filter(None, texts_of(record) or [])).split()
    return leak(str(record.get("story")), grams(words), stories, SHARE_OF_WINDOW)


def check_unseen(record: Record, stories: Mapping[str, Grams]) -> None:
    """Raises InputError where a model has learnt from a window's story."""
    if why := leak_of(record, stories):
        raise InputError("learnt-from", f"the model has learnt from this story: {why}; --seen allows it")


def generator_of(seed: int, use: str, ident: str) -> np.random.Generator:
    """Of a record or a run alone: the same whatever stands beside it."""
    digest = hashlib.sha256(f"{seed}\0{use}\0{ident}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(list(digest))

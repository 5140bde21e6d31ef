"""Tokens of a record for a query decoder, and where it looked as arrays that can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

Array = NDArray[np.float32]


def token_windows(record: Record, made_by: str) -> list[Array]:
    """The tokens [n, d] of each window of a record; FormatError where it has none, naming both sides."""
    tokens, layout = record.get("tokens"), record.get("token_layout")
    if tokens is None:
        raise FormatError(
            "no-tokens", f"{made_by} scores tokens, the record has an embedding only: ecg-encode --tokens"
        )
    if not is_array(tokens) or len(tokens.shape) != 2 or not isinstance(layout, dict):
        raise FormatError("bad-array", "tokens is not an array [n, d] with its token_layout")
    whole = materialise(tokens).astype(np.float32)
    sizes = [_size(one) for one in _layouts(layout)]
    if sum(sizes) != len(whole):
        raise FormatError("bad-array", f"token_layout speaks of {sum(sizes)} tokens, there are {len(whole)}")
    if not np.isfinite(whole).all():
        raise FormatError("not-finite", "the tokens hold NaN or infinite values")
    return np.split(whole, np.cumsum(sizes)[:-1])


def _layouts(layout: dict[str, Any]) -> list[dict[str, Any]]:
    """The layout of each window."""
    windows = layout.get("windows", 1)
    if isinstance(windows, list) and all(isinstance(one, dict) for one in windows):
        return windows
    return [layout] * windows if type(windows) is int and windows > 0 else []


def _size(layout: dict[str, Any]) -> int:
    pieces, leads = layout.get("pieces"), layout.get("leads", [None])
    return int(pieces) * len(leads) if type(pieces) is int and isinstance(leads, list) else 0


def attention_of(record: Record, looked: Sequence[Array], queries: Sequence[str]) -> Record:
    """`attention` [queries, leads, pieces] and `attention_layout` of a record of one window; FormatError for more."""
    if len(looked) != 1:
        raise FormatError("several-windows", f"--attn is for one window, the record has {len(looked)}; give --segment")
    layout = _layouts(record["token_layout"])[0]
    leads = layout.get("leads")
    rows = 1 if leads is None else len(leads)
    weights = looked[0].reshape(len(queries), rows, layout["pieces"])
    told = {"queries": list(queries), "leads": leads, "seconds": record["windows"]["seconds"]}
    return {"attention": np.ascontiguousarray(weights, np.float32), "attention_layout": told}

"""Numbers of kv-profile bench by their titles, for its table and its picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from medpipe.formats.jsonl import Record

# A title, and where the number stands in a record.
COSTS: Final[dict[str, Callable[[Record], Any]]] = {
    "prefill s": lambda one: one["cost"]["prefill_s"],
    "more than full": lambda one: one["cost"]["overhead_s"] / one["cost"]["prefill_full_s"],
    "decode ms": lambda one: one["cost"]["decode_ms_p50"],
    "p95": lambda one: one["cost"]["decode_ms_p95"],
    "peak MiB": lambda one: one["cost"]["peak_bytes"] / 2**20,
    "KV MiB": lambda one: one["cost"]["kv_bytes_end"] / 2**20,
    "speed-up": lambda one: one.get("speed_up"),
    "ceiling": lambda one: one.get("speed_up_ceiling"),
    "pays from": lambda one: one.get("break_even_tokens"),
}


def means(rows: list[list[float | None]]) -> list[float | None]:
    """Of each column, over the rows that have a number there."""
    columns = [[one for one in column if one is not None] for column in zip(*rows, strict=True)]
    return [sum(column) / len(column) if column else None for column in columns]

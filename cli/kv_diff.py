"""Two plans beside each other, or two methods of one stream."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from medpipe.cli.exits import BAD_STREAM, Fatal, side_failure
from medpipe.cli.publish import write_whole
from medpipe.core.errors import InputError
from medpipe.core.kv.plan import Plan, read_plan
from medpipe.core.metrics.table import text_table
from medpipe.formats.jsonl import Record, dump


def diff_plans(first: str, second: str, output: str, *, quiet: bool) -> int:
    """One line a layer, and a last one for all: what is moved between layers, as a share of what is kept."""
    one, other = (_read(path) for path in (first, second))
    if len(one.fractions) != len(other.fractions):
        sizes = f"{len(one.fractions)} and {len(other.fractions)} layers"
        raise Fatal(BAD_STREAM, f"{first} and {second} are of {sizes}: no layer of one is that of the other")
    lines = layer_lines(range(len(one.fractions)), one.fractions, other.fractions)
    whole = whole_line(lines, one.ratio, other.ratio) | {"same_model": one.config_sha256 == other.config_sha256}
    write_whole(b"".join(map(dump, [*lines, whole])), output)
    if not quiet:
        show([*lines, whole], [f"{plan.method} {plan.ratio:g}" for plan in (one, other)])
    return 0


def layer_lines(layers: Sequence[int], first: Sequence[float], second: Sequence[float]) -> list[Record]:
    """A line a layer of the fractions that two budgets give it."""
    return [
        {"layer": layer, "first": a, "second": b, "difference": round(b - a, 6)}
        for layer, a, b in zip(layers, first, second, strict=True)
    ]


def whole_line(lines: Sequence[Record], first: float, second: float) -> Record:
    """The line for all, with both ratios and what is moved."""
    out: Record = {"layer": None, "first": first, "second": second, "difference": round(second - first, 6)}
    sums: list[Any] = [sum(line[name] for line in lines) or 1.0 for name in ("first", "second")]
    moved = sum(abs(line["first"] / sums[0] - line["second"] / sums[1]) for line in lines) / 2
    return out | {"moved": round(moved, 6)}


def show(lines: Sequence[Record], titles: Sequence[str]) -> None:
    """The lines as a table, on stderr."""
    rows = [
        ["all" if line["layer"] is None else str(line["layer"]),
         *(f"{line[name]:.3f}" for name in ("first", "second", "difference"))]
        for line in lines
    ]  # fmt: skip
    print(text_table(rows, ["layer", *titles, "difference"]), file=sys.stderr)


def _read(path: str) -> Plan:
    try:
        return read_plan(path)
    except InputError as error:
        raise side_failure(path, error) from None

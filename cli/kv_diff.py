"""Two plans beside each other."""

from __future__ import annotations

import sys

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
    pairs = list(zip(one.fractions, other.fractions, strict=True))
    shares = [(a / sum(one.fractions), b / sum(other.fractions)) for a, b in pairs]
    moved = sum(abs(a - b) for a, b in shares) / 2
    lines: list[Record] = [
        {"layer": layer, "first": a, "second": b, "difference": round(b - a, 6)} for layer, (a, b) in enumerate(pairs)
    ]
    whole: Record = {
        "layer": None, "first": one.ratio, "second": other.ratio, "difference": round(other.ratio - one.ratio, 6),
        "moved": round(moved, 6), "same_model": one.config_sha256 == other.config_sha256,
    }  # fmt: skip
    write_whole(b"".join(map(dump, [*lines, whole])), output)
    if not quiet:
        rows = [["all" if row["layer"] is None else str(row["layer"]),
                 *(f"{row[name]:.3f}" for name in ("first", "second", "difference"))]
                for row in (*lines, whole)]  # fmt: skip
        titles = [f"{plan.method} {plan.ratio:g}" for plan in (one, other)]
        print(text_table(rows, ["layer", *titles, "difference"]), file=sys.stderr)
    return 0


def _read(path: str) -> Plan:
    try:
        return read_plan(path)
    except InputError as error:
        raise side_failure(path, error) from None

"""Two methods of one stream beside each other: budgets layer by layer, and quality request by request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items
from medpipe.cli.kv_diff import layer_lines, show, whole_line
from medpipe.cli.kv_sweeps import MEASURES
from medpipe.cli.load import load
from medpipe.cli.publish import write_whole
from medpipe.core.metrics.bootstrap import mean_interval
from medpipe.core.metrics.table import text_table, with_interval
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record, dump
from medpipe.formats.registry import ReadOptions

_BOTH: Final = ("first", "second")
_COMPARED: Final = {
    "bytes": "kv_bytes_share", "KL": "kl_nats_mean", "top 1": "top1_agreement", "NLL": "nll_nats_change",
    "exact": "exact_match", "ROUGE-L": "rouge_l",
}  # fmt: skip


@dataclass(slots=True)
class _Side:
    """Of one method, by request: fractions of the layers by number, and numbers of quality by name."""

    ratio: float = 0.0
    fractions: dict[str, dict[int, float]] = field(default_factory=dict)
    quality: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, request: str, record: Record) -> None:
        """Raises KeyError, TypeError, ZeroDivisionError for a record that is not one of a plan or of a sweep."""
        self.ratio = float(record["ratio"])
        tokens = record["n_text"] + record["n_visual"]
        self.fractions[request] = {one["layer"]: one["budget"] / tokens for one in record.get("layers", [])}
        found = {key: MEASURES[name](record) for name, key in _COMPARED.items()} if "quality" in record else {}
        self.quality[request] = {name: float(value) for name, value in found.items() if value is not None}


def diff_methods(first: str, second: str, stream: str, output: str, *, quiet: bool) -> int:
    """Methods are named with their ratio as ids end, `meda-0.2`; only requests that have both are looked at.

    One line a layer of mean fractions, where both have layers; a last one for all, with paired differences of quality
    and their intervals over requests. Fatal 65, 66.
    """
    sides = _read(stream, first, second)
    common = [request for request in sides[0].quality if request in sides[1].quality]
    if not common:
        raise Fatal(BAD_STREAM, f"{stream}: no request has both {first} and {second}")
    lines, whole = _layers(sides, common, stream)
    whole |= {"requests": len(common), "left_out": len({*sides[0].quality, *sides[1].quality}) - len(common)}
    quality = {name: made for name in _COMPARED.values() if (made := _paired(sides, common, name)) is not None}
    whole |= {"quality": quality} if quality else {}
    write_whole(b"".join(map(dump, [*lines, whole])), output)
    if not quiet:
        show([*lines, whole], [first, second])
        _show_quality(quality, first, second)
    return 0


def _read(stream: str, first: str, second: str) -> list[_Side]:
    sides, there = {first: _Side(), second: _Side()}, set()
    for record in _records(stream):
        request, _, name = str(record["id"]).rpartition("#")
        if "method" in record:
            there.add(name)
        if name in sides:
            try:
                sides[name].add(request, record)
            except (KeyError, TypeError, ValueError, ZeroDivisionError):
                raise Fatal(BAD_STREAM, f"{stream}: {record['id']} is no record of kv-profile plan or sweep") from None
    absent = [name for name in sides if name not in there]
    if absent:
        raise Fatal(
            BAD_STREAM,
            f"{stream}: no {absent[0]}; there is {', '.join(sorted(there)[:20]) or 'no record of kv-profile'}",
        )
    return [sides[first], sides[second]]


def _records(stream: str) -> Iterator[Record]:
    """Those that did not fail."""
    if stream != "-" and not Path(stream).exists():
        raise Fatal(NO_STREAM, f"{stream}: no such file")
    options = InputOptions([stream])
    try:
        for item in enumerate_items(options):
            record = load(item, ReadOptions(), keep_source=False)[0]
            if "error" not in record:
                yield record
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{stream}: {error}") from None
    finally:
        options.close()


def _layers(sides: list[_Side], common: list[str], stream: str) -> tuple[list[Record], Record]:
    """Mean fractions; none where a method has no layers, as a cache in eight bits."""
    told = [[side.fractions[request] for request in common] for side in sides]
    layers = list(told[0][0])
    ratios = [side.ratio for side in sides]
    if not all(one for side in told for one in side):
        out: Record = {"layer": None, **dict(zip(_BOTH, ratios, strict=True))}
        return [], out | {"difference": round(ratios[1] - ratios[0], 6)}
    if any(list(one) != layers for side in told for one in side):
        raise Fatal(BAD_STREAM, f"{stream}: its records are not of the same layers")
    means = [[round(sum(one[layer] for one in side) / len(side), 6) for layer in layers] for side in told]
    lines = layer_lines(layers, *means)
    return lines, whole_line(lines, *ratios)


def _paired(sides: list[_Side], common: list[str], name: str) -> Record | None:
    pairs = [
        (one[name], other[name])
        for one, other in ([side.quality[request] for side in sides] for request in common)
        if name in one and name in other
    ]
    if not pairs:
        return None
    first, second = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    ends = mean_interval([other - one for one, other in pairs])
    made: Record = {"first": first, "second": second, "difference": second - first}
    return made | ({} if ends is None else {"difference_ci95": list(ends)})


def _show_quality(quality: Record, first: str, second: str) -> None:
    rows = [
        [name.replace("_", " "), *(f"{one[side]:.3f}" for side in _BOTH),
         with_interval(one["difference"], one.get("difference_ci95"), signed=True)]
        for name, one in quality.items()
    ]  # fmt: skip
    if rows:
        print(text_table(rows, ["quality", first, second, "difference"]), file=sys.stderr)

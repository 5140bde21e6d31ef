"""What is said of a whole stream: a table at its end, and the plan that its requests have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final

import orjson

from medpipe.cli.kv_costs import COSTS, means
from medpipe.cli.kv_sweeps import MEASURES, Sweep
from medpipe.cli.output import Output, State
from medpipe.cli.process import Done
from medpipe.cli.publish import write_whole
from medpipe.cli.target import Target
from medpipe.core.metrics.table import text_table, with_interval
from medpipe.formats.jsonl import Record

_OF_LAYERS: Final = {
    "measure": ("entropy_nats", "entropy_normalised", "entropy_cross_modal_nats", "mass_text_visual", "mass_sink",
                "mass_recent", "effective_keys", "coverage_90", "kv_bytes"),
    "plan": ("entropy_nats", "entropy_cross_modal_nats", "fraction", "budget", "kv_bytes"),
}  # fmt: skip


@dataclass(slots=True)
class Watch:
    """Sees the records of one verb as they are written; of each it keeps the numbers that a table is made of."""

    verb: str
    layers: dict[str, list[list[Record]]] = field(default_factory=dict)
    sweep: Sweep = field(default_factory=Sweep)
    costs: dict[tuple[str, float], list[list[float | None]]] = field(default_factory=dict)
    facts: Record = field(default_factory=dict)

    def target(self, chosen: Target) -> Target:
        """The same target, with its records seen."""
        return _Watched(see=self.see, **{one.name: getattr(chosen, one.name) for one in fields(Target)})

    def see(self, line: bytes) -> None:
        """Take in a line of the output; errors are passed over."""
        record = orjson.loads(line)
        if "error" in record:
            return
        self.facts = record["decoder"]
        if self.verb == "sweep":
            self.sweep.add(record)
            return
        if self.verb == "bench":
            key = record["method"], record["ratio"]
            self.costs.setdefault(key, []).append([of(record) for of in COSTS.values()])
            return
        name = f"{record['method']} {record['ratio']!r}" if self.verb == "plan" else ""
        names = ("layer", *_OF_LAYERS[self.verb])
        self.layers.setdefault(name, []).append([{one: row.get(one) for one in names} for row in record["layers"]])

    def write_plan(self, path: str) -> None:
        """Mean fractions of the requests; nothing, and said so, where every request failed."""
        from medpipe.core.kv.methods import find_method
        from medpipe.core.kv.plan import make_plan

        if not self.layers:
            print(f"kv-profile: no request gave budgets: {path} is not written", file=sys.stderr)
            return
        ((name, found),) = self.layers.items()
        method, ratio = name.split()
        fractions = [[row["fraction"] for row in layers] for layers in found]
        made = make_plan(self.facts, float(ratio), find_method(method), fractions)
        write_whole(made.text().encode(), path)

    def show(self) -> None:
        """The table, on stderr."""
        if self.verb == "sweep":
            _show_sweep(self.sweep)
            return
        if self.verb == "bench":
            shown = [
                [method, f"{ratio:g}", *map(_shown, means(found))] for (method, ratio), found in self.costs.items()
            ]
            print(text_table(shown, ["method", "ratio", *COSTS]), file=sys.stderr)
            return
        for name, found in self.layers.items():
            titles = [one.replace("_", " ") for one in _OF_LAYERS[self.verb]]
            shown = []
            for rows in zip(*found, strict=True):
                values = [[row[one] for one in _OF_LAYERS[self.verb]] for row in rows]
                shown.append([str(rows[0]["layer"]), *map(_shown, means(values))])
            print(text_table(shown, [name or "layer", *titles]), file=sys.stderr)


def _show_sweep(sweep: Sweep) -> None:
    tried = sweep.tried()
    shown = [
        [one.method, f"{one.ratio:g}", *(with_interval(one.means[name], one.intervals.get(name)) for name in MEASURES),
         "*" if one.best else ""]
        for one in tried
    ]  # fmt: skip
    print(text_table(shown, ["method", "ratio", *MEASURES, ""]), file=sys.stderr)
    if tried:
        requests = max(one.requests for one in tried)
        said = f"over {requests} request{'s' if requests > 1 else ''}"
        said += ", in brackets 95 % of bootstrap draws of them" if requests > 1 else ""
        print(f"{said}; *: no other has as few bytes and as little KL", file=sys.stderr)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class _Watched(Target):
    """A target whose lines somebody sees; only plain values are looked at, and every output has them in its lines."""

    see: Callable[[bytes], None] = print

    def open(self, *given: Any, **named: Any) -> Output:
        """See Target."""
        return _Seen(Target.open(self, *given, **named), self.see)


@dataclass(slots=True)
class _Seen:
    """An output that shows each line before it is written."""

    output: Output
    see: Callable[[bytes], None]

    @property
    def state(self) -> State:
        """See Output."""
        return self.output.state

    @state.setter
    def state(self, state: State) -> None:
        self.output.state = state

    @property
    def written(self) -> int:
        """See Output."""
        return self.output.written

    def write(self, batch: list[Done]) -> None:
        """See Output."""
        for done in batch:
            for line, _ in done.lines:
                self.see(line)
        self.output.write(batch)

    def finish(self) -> None:
        """See Output."""
        self.output.finish()

    def suspend(self) -> None:
        """See Output."""
        self.output.suspend()

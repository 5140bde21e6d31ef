"""Records of a sweep by method and ratio: means over requests, their intervals, and the set that nothing beats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from medpipe.core.kv.pareto import pareto
from medpipe.core.metrics.bootstrap import mean_interval
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

# A title, and where the number stands in a record.
MEASURES: Final[dict[str, Callable[[Record], Any]]] = {
    "kept": lambda one: one["kept_total"] / max(1, one["requested_total"]) * one["ratio"],
    "bytes": lambda one: one["kv_bytes"] / one["kv_bytes_full"],
    "KL": lambda one: one["quality"]["kl_nats_mean"],
    "KL p95": lambda one: one["quality"]["kl_nats_p95"],
    "top 1": lambda one: one["quality"]["top1_agreement"],
    "top 5": lambda one: one["quality"]["top5_overlap"],
    "NLL": lambda one: one["quality"]["nll_nats_change"],
    "exact": lambda one: one.get("exact_match"),
    "ROUGE-L": lambda one: one.get("rouge_l"),
}
# What has an interval: it is of quality, and a mean of means.
WITH_INTERVAL: Final = ("KL", "top 1", "NLL", "exact", "ROUGE-L")
Values = list[float | None]


@dataclass(frozen=True, slots=True)
class Tried:
    """A method at a ratio over all requests: of each measure the mean, and the interval where there is one.

    `best`: no other has as few bytes and as little divergence.
    """

    method: str
    ratio: float
    requests: int
    means: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]
    best: bool


@dataclass(slots=True)
class Sweep:
    """What a stream of a sweep has said so far; of each record its numbers alone are kept."""

    rows: dict[tuple[str, float], list[Values]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Raises FormatError for a record that is not one of a sweep."""
        try:
            values = [of(record) for of in MEASURES.values()]
            key = str(record["method"]), float(record["ratio"])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            raise FormatError("bad-value", "the record lacks numbers that kv-profile sweep gives") from None
        if not all(value is None or type(value) in (int, float) for value in values):
            raise FormatError("bad-value", "what should be a number of kv-profile sweep is none")
        self.rows.setdefault(key, []).append(values)

    def tried(self) -> list[Tried]:
        """Every method at every ratio, in the order of the stream."""
        columns = {
            key: {
                name: [one for one in column if one is not None]
                for name, column in zip(MEASURES, zip(*rows, strict=True), strict=True)
            }
            for key, rows in self.rows.items()
        }
        means = {
            key: {name: sum(column) / len(column) if column else None for name, column in found.items()}
            for key, found in columns.items()
        }
        best = pareto([_point(found) for found in means.values()])
        return [
            Tried(
                *key, len(self.rows[key]), means[key],
                {name: mean_interval(columns[key][name]) for name in WITH_INTERVAL}, among,
            )
            for key, among in zip(means, best, strict=True)
        ]  # fmt: skip


def _point(means: dict[str, float | None]) -> tuple[float, float] | None:
    size, divergence = means["bytes"], means["KL"]
    return None if size is None or divergence is None else (size, divergence)

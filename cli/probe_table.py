"""The rows of a probe's metrics, and its tables for a reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medpipe.cli.probe_fits import METHODS, RELEASED, Fit, Fits, choice
from medpipe.core.metrics.repeated import Judged, Repeated
from medpipe.core.metrics.table import text_table, with_interval

DIFFERENCES = (("model", "random"), ("model", "ridge"))
_NOTE = "± is the spread over seeds; brackets hold 95 % over the test patients, for these fits as they are"
Row = dict[str, Any]
Measured = dict[tuple[str, float], Repeated]


def metric_rows(judged: Judged, fits: Fits, measured: Measured, protocol: str, encoders: dict[str, str]) -> list[Row]:
    """One for each method, fraction and class or macro mean; then one for each difference."""
    rows = []
    for (method, fraction), repeated in measured.items():
        for column, name in enumerate(judged.columns):
            row = _start(method, fraction, name, judged.facts(column))
            row |= {"encoder": encoders[method]} if method in encoders else {}
            row |= repeated.estimates(column) | _of_fits(fits[method, fraction], column, method, protocol)
            rows.append(row)
    fractions = dict.fromkeys(fraction for _, fraction in measured)
    for first, second in DIFFERENCES:
        for fraction in fractions:
            rows += _difference(
                judged, measured[first, fraction], measured[second, fraction], (first, second), fraction
            )
    return rows


def _start(method: str, fraction: float, column: str, facts: Row) -> Row:
    kind, _, name = column.partition(":")
    named = {"id": f"{method}/{fraction:g}/{column}", "method": method, "fraction": fraction, kind: name}
    return named | facts


def _of_fits(fits: list[Fit], column: int, method: str, protocol: str) -> Row:
    """What the fits rest on, a number for each seed."""
    row: Row = {"seeds": len(fits), "train_records": [fit.records for fit in fits]}
    if column < len(fits[0].known):
        row["train_labels"] = [int(fit.known[column]) for fit in fits]
        row["train_positives"] = [int(fit.positives[column]) for fit in fits]
        if constant := sum(not fit.probed.learnt[column] for fit in fits):
            row["unlearnt_seeds"] = constant
    if (chosen := choice(method, protocol)) is not None:
        row[chosen[0]] = [fit.probed.chosen for fit in fits]
        row["selected_on"] = chosen[1]
    return row


def _difference(
    judged: Judged, first: Repeated, second: Repeated, names: tuple[str, str], fraction: float
) -> list[Row]:
    apart = first.minus(second)
    rows = []
    for column, name in enumerate(judged.columns):
        row = _start("-".join(names), fraction, name, judged.facts(column))
        sides = ("", first), ("_against", second)
        for suffix, side in sides:
            row |= {metric + suffix: side.estimates(column)[metric] for metric in ("auroc", "auprc")}
        rows.append(row | apart.estimates(column))
    return rows


def percent(fraction: float) -> str:
    """A fraction as a reader knows it."""
    return f"{100 * fraction:g} %"


def tables(rows: list[Row], fits: Fits, judged: Judged, protocol: str) -> str:
    """Macro AUROC of every method and fraction; below it each class at the largest fraction."""
    by_id = {row["id"]: row for row in rows}
    fractions = list(dict.fromkeys(fraction for _, fraction in fits))
    shown = []
    for name in judged.columns[-2:]:
        shown.append(f"AUROC, {_meaning(name, by_id[f'model/{fractions[-1]:g}/{name}'])}")
        shown.append(_macro_table(by_id, fits, fractions, name))
    shown.append(f"AUROC of each class, {percent(fractions[-1])} of the training labels")
    shown += [_class_table(by_id, judged, fractions[-1]), "", _NOTE]
    if protocol == RELEASED:
        shown.append(f"{RELEASED}: model and random are shown at the epoch that is best on these very test labels")
    return "\n".join(shown)


def _meaning(name: str, row: Row) -> str:
    classes = f"mean of {row['classes']} class{'' if row['classes'] == 1 else 'es'}"
    least = name.removeprefix("macro:min")
    return classes if name == "macro:all" else f"{classes} with at least {least} positives in test"


def _macro_table(by_id: dict[str, Row], fits: Fits, fractions: list[float], name: str) -> str:
    header = ["training labels", *map(percent, fractions)]
    records = [_range([fit.records for fit in fits["model", fraction]]) for fraction in fractions]
    lines = [["  records", *records]]
    unlearnt = [_range([int((~fit.probed.learnt).sum()) for fit in fits["random", fraction]]) for fraction in fractions]
    if any(cell != "0" for cell in unlearnt):
        # A constant for lack of labels is 0.5 without any doubt: it narrows the interval of the mean.
        lines.append(["  classes scored as a constant", *unlearnt])

    def line(title: str, method: str, shown: Callable[[Row], str]) -> list[str]:
        return [title, *(shown(by_id[f"{method}/{fraction:g}/{name}"]) for fraction in fractions)]

    lines += [line(method, method, _value) for method in METHODS]
    lines += [line(" - ".join(pair), "-".join(pair), _change) for pair in DIFFERENCES]
    return text_table(lines, header) + "\n"


def _class_table(by_id: dict[str, Row], judged: Judged, fraction: float) -> str:
    methods = [method for method in METHODS if method != "constant"]
    header = ["", "n", "positive", *methods, *(" - ".join(pair) for pair in DIFFERENCES)]
    lines = []
    for name in judged.columns[:-2]:
        rows = {method: by_id[f"{method}/{fraction:g}/{name}"] for method in METHODS}
        cells = [name.removeprefix("class:"), str(rows["model"]["n"]), str(rows["model"]["positives"])]
        cells += [_value(rows[method]) for method in methods]
        lines.append(cells + [_change(by_id[f"{'-'.join(pair)}/{fraction:g}/{name}"]) for pair in DIFFERENCES])
    return text_table(lines, header)


def _value(row: Row) -> str:
    """Mean, spread over seeds where there are several, interval."""
    text = with_interval(row["auroc"], None)
    if row.get("auroc_sd") and row["auroc"] is not None:
        text += f" ±{row['auroc_sd']:.3f}"
    ends = row.get("auroc_ci95")
    return text if ends is None or row["method"] == "constant" else f"{text} [{ends[0]:.3f}, {ends[1]:.3f}]"


def _change(row: Row) -> str:
    return with_interval(row["auroc_difference"], row.get("auroc_difference_ci95"), signed=True)


def _range(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"

"""ecg-probe: recordings met with their truth, frozen features, probes beside their baselines, metrics out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import orjson

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, Fatal
from medpipe.cli.metrics_output import publish
from medpipe.cli.options import RunOptions
from medpipe.cli.probe_features import ProbeFeatures, make_features
from medpipe.cli.probe_fits import RELEASED, Fits, Task, fit_all
from medpipe.cli.probe_table import metric_rows, percent, tables
from medpipe.cli.probe_truth import PARTS, ProbeTruth, Split, check_patients, read_probe_truth
from medpipe.core import __version__
from medpipe.core.metrics.repeated import Judged


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """What to probe, against what, and how. `encoding` is the run that makes the features."""

    encoding: RunOptions
    settings: dict[str, Any]
    batch_size: int
    truth: str
    id_column: str
    by: str | None
    split: Split
    classes: list[str]
    fractions: list[float]
    seeds: int
    protocol: str
    draws: int
    seed: int
    min_support: int
    output: str
    table: bool
    quiet: bool


def probe(command: str, run: ProbeRun) -> int:
    """Read, encode, fit, measure, write; the exit code."""
    if find_spec("sklearn") is None:
        raise Fatal(UNAVAILABLE, "probing needs scikit-learn: pip install 'medpipe[train]'")
    truth = read_probe_truth(run.truth, run.id_column, run.by, run.split, run.classes)
    code, features = make_features(command, run.encoding, run.settings, run.batch_size, run.seeds, truth.rows)
    if features is None:
        return code
    task, kept = _met(run, truth, features)
    _tell(command, run, truth, features, task)
    fits = fit_all(task, kept, run.fractions, run.seeds, run.protocol, run.quiet)
    _tell_unlearnt(command, run, truth.names, fits)
    judged = Judged(task.labels[task.test], truth.names, [task.patients[row] for row in task.test], run.min_support)
    scores = {key: [fit.probed.scores for fit in several] for key, several in fits.items()}
    measured = judged.measure(scores, run.draws, run.seed)
    rows = metric_rows(judged, fits, measured, run.protocol, kept.encoders | {"ridge": "spectra"})
    _write(command, run, features.via, rows, tables(rows, fits, judged, run.protocol))
    return code


def _met(run: ProbeRun, truth: ProbeTruth, features: ProbeFeatures) -> tuple[Task, ProbeFeatures]:
    """The recordings that are in a part, in the order of their ids, so that the order of inputs changes nothing."""
    places = {ident: row for row, ident in enumerate(features.ids) if truth.parts[truth.rows[ident]] is not None}
    ids = sorted(places)
    check_patients(truth, ids)
    rows = [truth.rows[ident] for ident in ids]
    parts = np.array([truth.parts[row] for row in rows])
    for part in PARTS:
        if not (parts == part).any():
            raise Fatal(BAD_STREAM, f"no recording is of {part} by the column {run.split.column} of {run.truth}")
    train, val, test = (np.flatnonzero(parts == part) for part in PARTS)
    task = Task(truth.labels[rows], [truth.patients[row] for row in rows], train, val, test)
    order = [places[ident] for ident in ids]
    kept = ProbeFeatures(
        ids, features.model[order], features.random[order], features.spectra[order], features.encoders, features.via, 0
    )
    return task, kept


def _tell(command: str, run: ProbeRun, truth: ProbeTruth, features: ProbeFeatures, task: Task) -> None:
    """What is probed, what takes no part, and what the figures are not."""
    notes = [f"{len(task.train)} records to train on, {len(task.val)} to choose by, {len(task.test)} to test on"]
    apart = sum(truth.parts[truth.rows[ident]] is None for ident in features.ids)
    for count, what in (
        (features.others, "recordings have no row in the truth table"),
        (apart, "recordings are in no part of the split"),
        (len(truth.rows) - len(features.ids), "rows of the truth table have no recording"),
        (truth.unclustered, f"rows name no {run.by} and stand for themselves"),
    ):
        notes += [f"{count} {what}"] if count else []
    if run.by is None:
        notes.append("without --by each record is taken for a patient")
    if not run.quiet:
        print(f"{command}: {'; '.join(notes)}", file=sys.stderr)
    if run.protocol == RELEASED:
        print(
            f"{command}: {RELEASED} takes the epoch that is best on the test labels, as MERL's code does, which"
            " flatters; it takes features as they are, which fails encoders of small scale, random ones among them",
            file=sys.stderr,
        )


def _tell_unlearnt(command: str, run: ProbeRun, names: list[str], fits: Fits) -> None:
    """Classes that had one value only among the labels of a fit: they are scored as a constant, by all methods."""
    for fraction in [] if run.quiet else run.fractions:
        several = fits["random", fraction]
        short = [name for k, name in enumerate(names) if not all(fit.probed.learnt[k] for fit in several)]
        if short:
            said = ", ".join(short[:8]) + (f" and {len(short) - 8} more" if len(short) > 8 else "")
            print(
                f"{command}: at {percent(fraction)} of the labels, with some seeds or all, one value only is left of"
                f" {said}: scored there as a constant",
                file=sys.stderr,
            )


def _write(command: str, run: ProbeRun, via: str, rows: list[dict[str, Any]], table: str) -> None:
    said = f"protocol={run.protocol} seeds={run.seeds} draws={run.draws} seed={run.seed} by={run.by or 'record'}"
    steps = [via, f"{command} {__version__} {said}"]
    lines = b"".join(orjson.dumps({**row, "via": steps}, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    publish(lines, table, run)

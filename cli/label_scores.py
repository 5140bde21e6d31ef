"""med-score labels: predictions met with their truth, metrics out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, GOOD, Fatal
from medpipe.cli.metrics_output import publish
from medpipe.cli.predictions import Predictions, read_predictions
from medpipe.cli.score_options import ScoringOptions
from medpipe.cli.truth import Truth, read_truth
from medpipe.core import __version__
from medpipe.core.metrics.labels import compare_labels, score_labels


@dataclass(frozen=True, slots=True)
class LabelRun:
    """What to score, against what, and how."""

    scoring: ScoringOptions
    truth: str
    against: str | None
    id_column: str
    by: str | None
    classes: list[str]
    thresholds: list[float]
    min_support: int


@dataclass(slots=True)
class _Matched:
    """Predictions and truth of the same records, row by row."""

    names: list[str]
    labels: NDArray[np.float32]
    scores: list[NDArray[np.float64]]
    clusters: list[str] | None


def score(run: LabelRun) -> int:
    """Read, match, score, write; the exit code."""
    streams = [read_predictions(path) for path in (run.scoring.predictions, run.against) if path is not None]
    wanted = run.classes or streams[0].names
    for stream in streams:
        absent = [name for name in wanted if name not in stream.names]
        if absent:
            raise Fatal(
                BAD_STREAM, f"no score is named {', '.join(absent[:5])}; there are {', '.join(stream.names[:8])}"
            )
    truth = read_truth(run.truth, run.id_column, run.by, wanted)
    if unnamed := [name for name in run.classes if name not in truth.names]:
        raise Fatal(BAD_STREAM, f"{run.truth}: no column is named {', '.join(unnamed[:5])}")
    matched = _match(run, streams, truth, wanted)
    options: dict[str, Any] = {"clusters": matched.clusters, "draws": run.scoring.draws, "seed": run.scoring.seed}
    options |= {"min_support": run.min_support}
    if len(streams) == 1:
        made = score_labels(matched.labels, matched.scores[0], matched.names, thresholds=run.thresholds, **options)
    else:
        made = compare_labels(matched.labels, matched.scores[0], matched.scores[1], matched.names, **options)
    rows = made.records()
    via = f"med-score {__version__} draws={run.scoring.draws} seed={run.scoring.seed} by={run.by or 'record'}"
    lines = b"".join(orjson.dumps({**row, "via": [via]}, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    publish(lines, made.table(), run.scoring)
    return GOOD


def _match(run: LabelRun, streams: list[Predictions], truth: Truth, wanted: list[str]) -> _Matched:
    places = [{ident: row for row, ident in enumerate(stream.ids)} for stream in streams]
    common = [ident for ident in streams[0].ids if ident in truth.rows and all(ident in place for place in places)]
    if not common:
        example = f"{streams[0].ids[0]!r} against {next(iter(truth.rows), 'nothing')!r}"
        raise Fatal(BAD_STREAM, f"no id is in both the predictions and {run.truth}, column {run.id_column}: {example}")
    _tell(run, streams, truth, len(common), [name for name in wanted if name not in truth.names])
    rows = [truth.rows[ident] for ident in common]
    scores = []
    for stream, place in zip(streams, places, strict=True):
        columns = [stream.names.index(name) for name in truth.names]
        scores.append(stream.scores[[place[ident] for ident in common]][:, columns])
    clusters = [truth.clusters[row] for row in rows] if truth.clusters is not None else None
    return _Matched(truth.names, truth.labels[rows], scores, clusters)


def _tell(run: LabelRun, streams: list[Predictions], truth: Truth, common: int, unnamed: list[str]) -> None:
    """What takes no part is said."""
    notes = []
    for path, stream in zip((run.scoring.predictions, run.against), streams, strict=False):
        if stream.errors:
            notes.append(f"{stream.errors} error records in {path} left out")
        if len(stream.ids) > common:
            notes.append(f"{len(stream.ids) - common} records of {path} have no partner")
    if len(truth.rows) > common:
        notes.append(f"{len(truth.rows) - common} rows of {run.truth} have no prediction")
    if truth.unclustered:
        notes.append(f"{truth.unclustered} rows name no {run.by} and stand for themselves")
    if unnamed:
        notes.append(f"no column for {', '.join(unnamed[:8])}")
    if notes and not run.scoring.quiet:
        print(f"med-score: {common} records scored; {'; '.join(notes)}", file=sys.stderr)

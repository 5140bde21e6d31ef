"""med-score boxes: boxes found met with those that are there, metrics out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from medpipe.cli.box_truth import Box, BoxStream, one_spelling, read_box_stream
from medpipe.cli.exits import BAD_STREAM, GOOD, Fatal
from medpipe.cli.metrics_output import publish
from medpipe.cli.score_options import ScoringOptions
from medpipe.core import __version__
from medpipe.core.metrics.box_sets import ImageBoxes, label_numbers
from medpipe.core.metrics.boxes import BoxPanel, score_boxes
from medpipe.core.metrics.estimates import Row
from medpipe.core.metrics.table import text_table, with_interval

MODES: Final = ("with-negatives", "paper")
_SHOWN: Final = ("ap50", "ap", "best_iou", "specificity")
_BEYOND: Final = ("froc", "rodeo_localisation", "rodeo_shape", "rodeo_class", "rodeo_total")


@dataclass(frozen=True, slots=True)
class BoxRun:
    """What to score, against what, and how."""

    scoring: ScoringOptions
    truth: str
    against: str | None
    mode: str
    labels: list[str]
    min_score: float | None
    froc_iou: float
    by: str | None


def score(run: BoxRun) -> int:
    """Read, match, score, write; the exit code."""
    truth = read_box_stream(run.truth, run.by)
    streams = [
        read_box_stream(path, images_of=run.truth)
        for path in (run.scoring.predictions, run.against)
        if path is not None
    ]
    named = one_spelling(run.labels or sorted({label for boxes in truth.boxes.values() for label, *_ in boxes}))
    names = list(named.values())
    for stream in (truth, *streams):
        stream.rename(named)
    if not names:
        raise Fatal(BAD_STREAM, f"{run.truth}: not one box; --labels names what was looked for")
    common = [ident for ident in truth.boxes if all(ident in stream.boxes for stream in streams)]
    if not common:
        example = f"{next(iter(streams[0].boxes), 'nothing')!r} against {next(iter(truth.boxes), 'nothing')!r}"
        raise Fatal(BAD_STREAM, f"no image is in both the predictions and {run.truth}: {example}")
    _tell(run, truth, streams, names, len(common))
    panels = [BoxPanel(_images(run, truth, stream, names, common), names, run.froc_iou) for stream in streams]
    clusters = [truth.clusters[ident] for ident in common] if run.by is not None else None
    draws, seed = run.scoring.draws, run.scoring.seed
    rows = score_boxes(panels, draws, seed, clusters)
    paired = len(panels) == 2
    via = f"med-score {__version__} boxes mode={run.mode} draws={draws} seed={seed} by={run.by or 'image'}"
    facts = {"mode": run.mode, "via": [via]}
    lines = [orjson.dumps({**row.record("_difference" if paired else ""), **facts}) + b"\n" for row in rows]
    shown = _table(rows, paired=paired)
    publish(b"".join(lines), shown, run.scoring)
    return GOOD


def _images(run: BoxRun, truth: BoxStream, stream: BoxStream, names: list[str], common: list[str]) -> list[ImageBoxes]:
    """Of each image what was found and what is there, of the labels that count."""
    images = []
    for ident in common:
        there = [one for one in truth.boxes[ident] if one[0] in names]
        least = -np.inf if run.min_score is None else run.min_score
        found = [one for one in stream.boxes[ident] if one[0] in names and one[2] >= least]
        asked = [label for label in stream.asked.get(ident, []) if label in names] or names
        one = ImageBoxes(
            _corners(found), label_numbers(names, [label for label, *_ in found]),
            np.array([score for *_, score in found], np.float64), _corners(there),
            label_numbers(names, [label for label, *_ in there]), frozenset(label_numbers(names, asked).tolist()),
        )  # fmt: skip
        images.append(one.present_only() if run.mode == "paper" else one)
    return images


def _corners(boxes: list[Box]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([corners for _, corners, _ in boxes], np.float64).reshape(-1, 4)


def _tell(run: BoxRun, truth: BoxStream, streams: list[BoxStream], names: list[str], common: int) -> None:
    """What takes no part is said."""
    notes = []
    for path, stream in zip((run.scoring.predictions, run.against), streams, strict=False):
        if stream.errors:
            notes.append(f"{stream.errors} error records in {path} left out")
        if len(stream.boxes) > common:
            notes.append(f"{len(stream.boxes) - common} images of {path} have no truth")
        if stream.unscored:
            notes.append(f"{stream.unscored} boxes of {path} have no score and count as 1")
        other = {label for boxes in stream.boxes.values() for label, *_ in boxes} - set(names)
        if other:
            notes.append(f"labels of {path} that are not in the truth left out: {', '.join(sorted(other)[:8])}")
    if len(truth.boxes) > common:
        notes.append(f"{len(truth.boxes) - common} images of {run.truth} have no prediction")
    if notes and not run.scoring.quiet:
        print(f"med-score: {common} images scored; {'; '.join(notes)}", file=sys.stderr)


def _table(rows: list[Row], *, paired: bool) -> str:
    """AP, overlap and specificity of each label; FROC and RoDeO, which are over all labels, below."""
    cells = [
        [row.id, str(row.facts["boxes"]), str(row.facts["found"]), *(_cell(row, name, paired) for name in _SHOWN)]
        for row in rows
    ]
    shown = text_table(cells, ["", "boxes", "found", "AP50", "AP", "best IoU", "specificity"])
    whole = rows[-1]
    beyond = [f"{name.replace('_', ' ')} {_cell(whole, name, paired)}" for name in _BEYOND if name in whole.estimates]
    return f"{shown}\n{', '.join(beyond)}"


def _cell(row: Row, name: str, paired: bool) -> str:
    one = row.estimates[name]
    return with_interval(one.value, one.interval, signed=paired)

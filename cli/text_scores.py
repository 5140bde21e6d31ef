"""med-score text: what was decoded met with what was there, metrics and their nulls out."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import orjson

from medpipe.cli.exits import BAD_STREAM, GOOD, UNAVAILABLE, Fatal
from medpipe.cli.metrics_output import publish
from medpipe.cli.text_report import explain, show
from medpipe.cli.text_streams import TextStream, TrueTexts, read_texts, read_true_texts
from medpipe.core import __version__
from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.panel import Panel, TextSettings
from medpipe.core.metrics.text.score import ALL, score_text
from medpipe.core.metrics.text.scored_story import Sampling, Story
from medpipe.core.metrics.text.words import Text, split_text


@dataclass(frozen=True, slots=True)
class TextRun:
    """What to score, against what, and how; `nulls` are names with files."""

    predictions: str
    truth: str
    against: str | None
    nulls: list[tuple[str, str]]
    text_key: str
    truth_key: str
    by: str
    order: str
    settings: TextSettings
    sampling: Sampling
    output: str
    table: bool
    quiet: bool


@dataclass(slots=True)
class _Matched:
    """Streams with what is scored of them: the ids that all have."""

    truth: TrueTexts
    streams: list[TextStream]
    nulls: list[tuple[str, TextStream]]
    ids: list[str]


def score(run: TextRun) -> int:
    """Read, match, score, write; the exit code."""
    matched = _match(run)
    stories = _stories(run, matched)
    try:
        panel = Panel(run.settings, [text for story in stories for text in story.true])
        rows = score_text(stories, panel.metrics, run.sampling)
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
    notes = [*_left_out(matched), *explain(rows, stories, matched.truth, run.sampling, (run.by, run.order))]
    if panel.cut:
        notes.append(f"{panel.cut} texts are longer than the BERT model reads, and were cut")
    if notes and not run.quiet:
        print(f"med-score: {len(matched.ids)} texts scored; {'; '.join(notes)}", file=sys.stderr)
    paired = len(matched.streams) == 2
    via = f"med-score {__version__} text {_digest(run)}"
    facts = {**panel.facts, "unscored": len(matched.truth.texts) - len(matched.ids), "via": [via]}
    lines = [orjson.dumps(row.record("_difference" if paired else "") | facts) + b"\n" for row in rows]
    publish(b"".join(lines), show(rows, paired=paired), output=run.output, table=run.table, quiet=run.quiet)
    return GOOD


def _match(run: TextRun) -> _Matched:
    truth = read_true_texts(run.truth, run.truth_key, run.by, run.order)
    streams = [read_texts(path, run.text_key) for path in (run.predictions, run.against) if path is not None]
    nulls = [(name, read_texts(path, run.text_key)) for name, path in run.nulls]
    ids = [ident for ident in truth.texts if all(ident in stream.texts for stream in streams)]
    if not ids:
        example = f"{next(iter(streams[0].texts))!r} against {next(iter(truth.texts))!r}"
        raise Fatal(BAD_STREAM, f"no id is in both the predictions and {run.truth}: {example}")
    for name, stream in nulls:
        absent = [ident for ident in ids if ident not in stream.texts]
        if absent:
            said = f"{stream.path} lacks {len(absent)} of the {len(ids)} texts scored, {absent[0]} first"
            raise Fatal(BAD_STREAM, f"--null {name}: {said}")
    return _Matched(truth, streams, nulls, ids)


def _stories(run: TextRun, matched: _Matched) -> list[Story]:
    """The ids that are scored by story, in the order of time where it is known."""
    truth = matched.truth
    by_story: dict[str, list[str]] = {}
    for ident in matched.ids:
        by_story.setdefault(truth.stories.get(ident, "story"), []).append(ident)
    if ALL in by_story:
        raise Fatal(BAD_STREAM, f"{run.truth}: a story is named {ALL}, as the row over all stories is")

    def split(stream: TextStream, ids: list[str]) -> list[Text]:
        return [split_text(stream.texts[ident], run.settings.tokenizer) for ident in ids]

    stories = []
    for name, members in by_story.items():
        ids = sorted(members, key=lambda ident: truth.times.get(ident, 0.0))
        nulls: dict[str, list[list[Text]]] = {}
        for null, stream in matched.nulls:
            nulls.setdefault(null, []).append(split(stream, ids))
        found = [split(stream, ids) for stream in matched.streams]
        times = np.array([truth.times[ident] for ident in ids]) if truth.times else None
        stories.append(Story(name, split(truth, ids), found, nulls, times))
    return stories


def _left_out(matched: _Matched) -> list[str]:
    """What takes no part."""
    truth, scored = matched.truth, len(matched.ids)
    every = [*matched.streams, *(stream for _, stream in matched.nulls), truth]
    notes = [f"{one.errors} error records in {one.path} left out" for one in every if one.errors]
    for stream, lack in [*((one, "partner") for one in matched.streams), (truth, "prediction")]:
        if len(stream.texts) > scored:
            notes.append(f"{len(stream.texts) - scored} texts of {stream.path} have no {lack}")
    return notes


def _digest(run: TextRun) -> str:
    sampling = run.sampling
    block = "auto" if sampling.block is None else sampling.block
    return (
        f"permutations={sampling.permutations} least={sampling.least:g} block={block}"
        f" draws={sampling.draws} seed={sampling.seed} by={run.by} order={run.order}"
    )

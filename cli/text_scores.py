"""med-score text: what was decoded met with what was there, metrics and their nulls out."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import orjson

from medpipe.cli.exits import BAD_STREAM, GOOD, UNAVAILABLE, Fatal
from medpipe.cli.metrics_output import publish
from medpipe.cli.score_options import ScoringOptions
from medpipe.cli.text_report import explain, show
from medpipe.cli.text_stories import TextSources, cautions, left_out, match_texts, not_decoded, split_stories
from medpipe.core import __version__
from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.panel import Panel, TextSettings
from medpipe.core.metrics.text.score import score_text
from medpipe.core.metrics.text.scored_story import Sampling


@dataclass(frozen=True, slots=True)
class TextRun:
    """What to score, and how."""

    scoring: ScoringOptions
    sources: TextSources
    settings: TextSettings
    sampling: Sampling


def score(run: TextRun) -> int:
    """Read, match, score, write; the exit code."""
    matched = match_texts(run.sources)
    stories = split_stories(matched, run.settings.tokenizer)
    try:
        panel = Panel(run.settings, [text for story in stories for text in story.true])
        rows = score_text(stories, panel.metrics, run.sampling)
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
    nulls = {row.row.id: row.nulls for row in rows}
    notes = [*cautions(matched), *left_out(matched), *explain(nulls, stories, matched, run.sampling)]
    if panel.cut:
        notes.append(f"{panel.cut} texts are longer than the BERT model reads, and were cut")
    if notes and not run.scoring.quiet:
        print(f"med-score: {len(matched.ids)} texts scored; {'; '.join(notes)}", file=sys.stderr)
    paired = len(matched.streams) == 2
    via = f"med-score {__version__} text {_digest(run)}"
    unscored = len(matched.truth.texts) - len(matched.ids)
    facts = {**panel.facts, **not_decoded(matched), "unscored": unscored, "via": [via]}
    lines = [orjson.dumps(row.record("_difference" if paired else "") | facts) + b"\n" for row in rows]
    publish(b"".join(lines), show(rows, paired=paired), run.scoring)
    return GOOD


def _digest(run: TextRun) -> str:
    sampling = run.sampling
    block = "auto" if sampling.block is None else sampling.block
    return (
        f"permutations={sampling.permutations} least={sampling.least:g} block={block}"
        f" draws={sampling.draws} seed={sampling.seed} by={run.sources.by} order={run.sources.order}"
    )

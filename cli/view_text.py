"""Pictures of decoded text: every story of a stream on one, or each on its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from medpipe.cli.exits import BAD_STREAM, GOOD, SOME_FAILED, Fatal
from medpipe.cli.publish import write_whole
from medpipe.cli.report import printable
from medpipe.cli.text_report import explain
from medpipe.cli.text_stories import Matched, TextSources, cautions, left_out, match_texts, split_stories
from medpipe.cli.viewing import View, target
from medpipe.core.draw.decoding import PANELS, Decoding, draw_decoding
from medpipe.core.metrics.text.bag_of_words import cosines
from medpipe.core.metrics.text.identification import Identification
from medpipe.core.metrics.text.score import ALL
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory, Story, score_story
from medpipe.core.metrics.text.story_nulls import draw_nulls

_METRICS = ("identification", "identification_top1")
_ALIKE = "similarity: cosine of word counts"


def draw_texts(command: str, view: View, sources: TextSources) -> int:
    """Draw what was decoded beside what was there; the exit code. Fatal as med-score text, and where no story is."""
    matched = match_texts(sources)
    stories = split_stories(matched, "words")
    places = _chosen(stories, view)
    sampling = Sampling(least=view.least, draws=0)
    # Of the place among all stories, so that shuffles are those of med-score.
    scored = (score_story(stories[place], [Identification(cosines)], sampling, place) for place in places)
    pages = ([one] for one in scored) if view.folder else iter([list(scored)])
    nulls: dict[str, set[str]] = {ALL: set()}
    drawn, failed = 0, 0
    for page in pages:
        made = Decoding(page, draw_nulls(page, _METRICS, sampling), cosines, _ALIKE)
        nulls |= {one.story.name: _made_anew(one) for one in page}
        nulls[ALL] |= set(made.nulls)
        name = page[0].story.name
        try:
            write_whole(_picture(made, view, _title(page, matched)), target(view, name, view.kind))
            drawn += 1
        except ValueError as error:
            failed += 1
            print(f"{command}: {printable(f'{name}: {error}')}", file=sys.stderr)
    if not view.quiet and drawn:
        notes = [
            *cautions(matched),
            *left_out(matched),
            *explain(nulls, [stories[place] for place in places], matched, sampling),
        ]
        if notes:
            print(f"{command}: {printable('; '.join(notes))}", file=sys.stderr)
        where = view.output if not view.folder else f"{drawn} pictures in {view.output}"
        print(f"{command}: {where}", file=sys.stderr)
    return SOME_FAILED if failed else GOOD


def _chosen(stories: Sequence[Story], view: View) -> list[int]:
    places = [place for place, story in enumerate(stories) if view.record in (None, story.name)]
    if not places:
        names = ", ".join(story.name for story in stories[:5]) + (", ..." if len(stories) > 5 else "")
        raise Fatal(BAD_STREAM, f"no story {view.record} in the input; there is {printable(names)}")
    return places


def _made_anew(one: ScoredStory) -> set[str]:
    """The nulls that its own windows give a story."""
    return {name for name, scores in (("shift", one.anew.shift), ("shuffle", one.anew.shuffle)) if scores}


def _title(page: Sequence[ScoredStory], matched: Matched) -> str:
    first = matched.sources.streams[0][0]
    name = page[0].story.name if len(page) == 1 else "decoded stories" if first == "-" else first
    said = "; ".join(cautions(matched))
    return f"{name}: {said}" if said else name


def _picture(made: Decoding, view: View, title: str) -> bytes:
    """Raises ValueError where nothing is as late as --from."""
    title, panels = view.title if view.title is not None else title, view.panels or PANELS
    # Windows may lie before the words: without --from they are shown too.
    begin = view.begin or -np.inf
    if view.kind == "html":
        from medpipe.core.draw.decoding_page import decoding_page

        return decoding_page(made, title, panels, begin)
    from medpipe.core.draw.render import render

    return render(draw_decoding(made, title, panels, begin), view.kind, dpi=view.dpi)

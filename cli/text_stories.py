"""Streams of decoded text met with what was there, and split into stories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.text_streams import TextStream, TrueTexts, read_texts, read_true_texts
from medpipe.core.metrics.text.score import ALL
from medpipe.core.metrics.text.scored_story import Story
from medpipe.core.metrics.text.words import Text, split_text


@dataclass(frozen=True, slots=True)
class TextSources:
    """Where texts are: each of `streams` in one file or more, `nulls` as names with files, and keys of records."""

    streams: Sequence[Sequence[str]]
    truth: str
    nulls: Sequence[tuple[str, str]] = ()
    text_key: str = "text"
    truth_key: str = "text"
    by: str = "story"
    order: str = "t0"


@dataclass(slots=True)
class Matched:
    """Streams with what counts of them: the ids that all have."""

    sources: TextSources
    truth: TrueTexts
    streams: list[TextStream]
    nulls: list[tuple[str, TextStream]]
    ids: list[str]


def match_texts(sources: TextSources) -> Matched:
    """Read and meet by id. Fatal 65 and 66 where a stream cannot serve, none meets, or a null lacks a text."""
    truth = read_true_texts(sources.truth, sources.truth_key, sources.by, sources.order)
    streams = [read_texts(paths, sources.text_key) for paths in sources.streams]
    nulls = [(name, read_texts([path], sources.text_key)) for name, path in sources.nulls]
    ids = [ident for ident in truth.texts if all(ident in stream.texts for stream in streams)]
    if not ids:
        example = f"{next(iter(streams[0].texts))!r} against {next(iter(truth.texts))!r}"
        raise Fatal(BAD_STREAM, f"no id is in both the predictions and {truth.path}: {example}")
    for name, stream in nulls:
        absent = [ident for ident in ids if ident not in stream.texts]
        if absent:
            said = f"{stream.path} lacks {len(absent)} of the {len(ids)} texts scored, {absent[0]} first"
            raise Fatal(BAD_STREAM, f"--null {name}: {said}")
    return Matched(sources, truth, streams, nulls, ids)


def split_stories(matched: Matched, tokenizer: str) -> list[Story]:
    """The ids that all have by story, in the order of time where it is known."""
    truth = matched.truth
    by_story: dict[str, list[str]] = {}
    for ident in matched.ids:
        by_story.setdefault(truth.stories.get(ident, "story"), []).append(ident)
    if ALL in by_story:
        raise Fatal(BAD_STREAM, f"{truth.path}: a story is named {ALL}, as the row over all stories is")

    def split(stream: TextStream, ids: list[str]) -> list[Text]:
        return [split_text(stream.texts[ident], tokenizer) for ident in ids]

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


def not_decoded(matched: Matched) -> dict[str, int]:
    """How many of the texts scored are no decoding of what the model did not know; keys without any are left out."""
    scored = set(matched.ids)
    counts = {
        "seen": sum(len(scored & stream.seen) for stream in matched.streams),
        "from_true_text": sum(len(scored & stream.told) for stream in matched.streams),
    }
    return {name: count for name, count in counts.items() if count}


def cautions(matched: Matched) -> list[str]:
    """The same in words."""
    words = {
        "seen": "of stories that the model has learnt from",
        "from_true_text": "written from the true text, which is a ceiling",
    }
    return [f"{count} texts are {words[name]}" for name, count in not_decoded(matched).items()]


def left_out(matched: Matched) -> list[str]:
    """What takes no part."""
    truth, scored = matched.truth, len(matched.ids)
    every = [*matched.streams, *(stream for _, stream in matched.nulls), truth]
    notes = [f"{one.errors} error records in {one.path} left out" for one in every if one.errors]
    for stream, lack in [*((one, "partner") for one in matched.streams), (truth, "prediction")]:
        if len(stream.texts) > scored:
            notes.append(f"{len(stream.texts) - scored} texts of {stream.path} have no {lack}")
    return notes

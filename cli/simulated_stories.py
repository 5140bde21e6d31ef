"""The stories of a simulated data set: told by the generator, or the user's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from medpipe.cli.exits import BAD_STREAM, USAGE, Fatal, side_failure
from medpipe.core.fmri.story import Story, make_story, read_topics
from medpipe.core.fmri.word_windows import spoken
from medpipe.formats.errors import FormatError
from medpipe.formats.transcript import read_transcript

_STORY = 0
_LAST_WORD = 0.6


@dataclass(frozen=True, slots=True)
class Heard:
    """A story, and whether it is for testing."""

    story: Story
    test: bool


def told_stories(train: int, test: int, seconds: float, seed: int, *, disjoint: bool) -> list[Heard]:
    """Made stories, those to train on first; `disjoint` keeps a quarter of the topics for those to test on."""
    topics = read_topics()
    kept = len(topics) // 4
    made = []
    for place in range(train + test):
        is_test = place >= train
        own = (topics[:kept] if is_test else topics[kept:]) if disjoint else topics
        name = f"test{place - train + 1:02d}" if is_test else f"story{place + 1:02d}"
        made.append(Heard(make_story(name, seconds, own, np.random.default_rng([seed, _STORY, place])), is_test))
    return made


def own_stories(paths: Sequence[str], test: int) -> list[Heard]:
    """The user's stories, the last `test` of them to test on. Fatal for a table that is none."""
    stories = [_own(path) for path in paths]
    names = [one.name for one in stories]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Fatal(USAGE, f"two stories would be called {twice[0]}: names are the letters and digits of the files'")
    return [Heard(one, place >= len(stories) - test) for place, one in enumerate(stories)]


def _own(path: str) -> Story:
    try:
        words = [(word.onset, spoken(word.text)) for word in read_transcript(path).words]
    except FormatError as error:
        plain = FormatError(error.kind, str(error).removeprefix(f"{path}: "))
        raise side_failure(f"--words {path}", plain) from None
    told = [(onset, text) for onset, text in words if text]
    if fault := _fault(told):
        raise Fatal(BAD_STREAM, f"--words {path}: {fault}")
    name = re.sub(r"[^A-Za-z0-9]", "", Path(path).stem)
    if not name:
        raise Fatal(USAGE, f"--words {path}: a story is named by the letters and digits of its file")
    onsets = np.array([onset for onset, _ in told])
    return Story.timed(name, [text for _, text in told], onsets, float(np.round(onsets[-1] + _LAST_WORD, 3)))


def _fault(told: Sequence[tuple[float, str]]) -> str | None:
    """Why words with these onsets are no story."""
    if not told:
        return "the file holds no word"
    if told[0][0] < 0:
        return f"the word {told[0][1]} begins at {told[0][0]:g} s: times are from 0 on"
    same = next((text for (before, _), (onset, text) in pairwise(told) if onset == before), None)
    return None if same is None else f"the word {same} begins with the one before it"

"""Stories: words and when they are said; and a generator of text that goes from topic to topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

TICK: Final = 0.1
# Gamma intervals between onsets: a mean of 0.34 s and half as much deviation.
_SHAPE, _SCALE = 4.0, 0.085
_CHANGE = 0.2
_LONGEST = 0.6
_WORDS: Final = Path(__file__).parent / "story_words.tsv"
# Lower case stands for itself, capitals for a class of words.
_SENTENCES: Final = (
    "the ADJECTIVE NOUN VERB the NOUN", "WHO VERB the NOUN WHERE the NOUN", "the NOUN and the NOUN VERB",
    "when the NOUN VERB WHO VERB too", "WHO said that the NOUN was ADJECTIVE", "a NOUN VERB WHERE the ADJECTIVE NOUN",
    "then the ADJECTIVE NOUN VERB again", "but WHO VERB because the NOUN was ADJECTIVE",
)  # fmt: skip
_WHO: Final = ("i", "we", "she", "he", "they")
_WHERE: Final = ("near", "behind", "with", "without", "under")


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject and the words that belong to it alone."""

    name: str
    words: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Story:
    """Words in the order of their onsets.

    Args:
        name: letters and digits, as BIDS wants a task's label.
        words: lower case.
        onsets: [words], seconds after the sound begins.
        ends: [words], none after the next onset.
        seconds: length of the sound.
    """

    name: str
    words: tuple[str, ...]
    onsets: NDArray[np.float64]
    ends: NDArray[np.float64]
    seconds: float

    @classmethod
    def timed(
        cls,
        name: str,
        words: Sequence[str],
        onsets: NDArray[np.float64],
        seconds: float,
        ends: NDArray[np.float64] | None = None,
    ) -> Self:
        """A story whose words last until the next one, 0.6 s at most, where no `ends` say it."""
        limit = np.append(onsets[1:], seconds)
        ends = onsets + _LONGEST if ends is None else ends
        return cls(name, tuple(words), onsets, np.minimum(ends, limit), seconds)


def read_topics(path: Path = _WORDS) -> tuple[Topic, ...]:
    """The topics that the generator knows."""
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()[1:]]
    return tuple(
        Topic(name, dict(zip(("NOUN", "VERB", "ADJECTIVE"), (tuple(cell.split(",")) for cell in cells), strict=True)))
        for name, *cells in rows
    )


def make_story(name: str, seconds: float, topics: Sequence[Topic], rng: np.random.Generator) -> Story:
    """A story of simple sentences; after each the topic changes with probability 0.2.

    Onsets lie on a grid of 0.1 s, with gamma intervals between them.

    Args:
        name: see Story.
        seconds: its length.
        topics: what it speaks of, at least one.
        rng: where all chance comes from.
    """
    ticks = round(seconds / TICK)
    # More than can be needed, since no interval is below one tick.
    steps = np.maximum(1, np.round(rng.gamma(_SHAPE, _SCALE, ticks) / TICK)).astype(int)
    places = np.cumsum(steps)
    onsets = np.round(places[places < ticks] * TICK, 1)
    words: list[str] = []
    topic = topics[int(rng.integers(len(topics)))]
    while len(words) < len(onsets):
        words += _sentence(topic, rng)
        if rng.random() < _CHANGE:
            topic = topics[int(rng.integers(len(topics)))]
    return Story.timed(name, words[: len(onsets)], onsets, seconds)


def _sentence(topic: Topic, rng: np.random.Generator) -> list[str]:
    classes = {**topic.words, "WHO": _WHO, "WHERE": _WHERE}
    pattern = _SENTENCES[int(rng.integers(len(_SENTENCES)))].split()
    return [classes[one][int(rng.integers(len(classes[one])))] if one in classes else one for one in pattern]

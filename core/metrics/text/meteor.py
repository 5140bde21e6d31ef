"""METEOR (Banerjee and Lavie 2005; constants as nltk has them): words met exactly, then by stem, then by synonym.

The name says what was used: `meteor_exact_stem` or `meteor_wordnet`. The two are different metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from medpipe.core.metrics.text.metric import Scores
from medpipe.core.metrics.text.porter import porter_stem
from medpipe.core.metrics.text.words import Text, Texts

_RECALL_SHARE: Final = 0.9
_PENALTY: Final = 0.5
_POWER: Final = 3
Places = dict[str, list[int]]
Synonyms = Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Read:
    """A text's stems, and the places of each word, the last first."""

    stems: list[str]
    places: Places


class Meteor:
    """From 0 to 1, upper and lower case alike.

    Args:
        synonyms: of a stem, itself among them, as `open_wordnet` gives them; None for exact words and stems alone.
    """

    def __init__(self, synonyms: Synonyms | None = None) -> None:
        self._synonyms = synonyms
        self.name = "meteor_exact_stem" if synonyms is None else "meteor_wordnet"

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        each = [self._score(_read(f), _read(t)) for f, t in zip(found, true, strict=True)]
        return {self.name: np.array(each)}

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        theirs = [_read(one) for one in true]
        rows = [[self._score(mine, other) for other in theirs] for mine in map(_read, found)]
        return {self.name: np.array(rows).reshape(len(found), len(true))}

    def _score(self, found: _Read, true: _Read) -> float:
        if not found.stems or not true.stems:
            return float(not found.stems and not true.stems)
        met = self._align(found, true)
        if not met:
            return 0.0
        precision, recall = len(met) / len(found.stems), len(met) / len(true.stems)
        mean = precision * recall / (_RECALL_SHARE * precision + (1 - _RECALL_SHARE) * recall)
        return mean * (1 - _PENALTY * (_chunks(met) / len(met)) ** _POWER)

    def _align(self, found: _Read, true: _Read) -> list[tuple[int, int]]:
        """Places of words that meet, in order of the found text; each word meets one other at most."""
        met = _meet(found.places, true.places)
        mine, theirs = {place for place, _ in met}, {place for _, place in met}
        left = _places(found.stems, mine)
        met += _meet(left, _places(true.stems, theirs))
        if self._synonyms is not None:
            mine, theirs = {place for place, _ in met}, {place for _, place in met}
            met += _meet_synonyms(_free(found.stems, mine), _free(true.stems, theirs), self._synonyms)
        return sorted(met)


def _read(text: Text) -> _Read:
    words = [word.lower() for word in text.words]
    return _Read([porter_stem(word) for word in words], _places(words, set()))


def _free(words: list[str], taken: set[int]) -> list[tuple[int, str]]:
    """Words that are not taken, with their places, the last first."""
    return [(place, words[place]) for place in range(len(words) - 1, -1, -1) if place not in taken]


def _places(words: list[str], taken: set[int]) -> Places:
    found: Places = {}
    for place, word in _free(words, taken):
        found.setdefault(word, []).append(place)
    return found


def _meet(mine: Places, theirs: Places) -> list[tuple[int, int]]:
    """Equal words, from the end of both texts."""
    return [pair for word in mine if word in theirs for pair in zip(mine[word], theirs[word], strict=False)]


def _meet_synonyms(
    mine: list[tuple[int, str]], theirs: list[tuple[int, str]], synonyms: Synonyms
) -> list[tuple[int, int]]:
    """Each word, from the end, with the last that is left among its synonyms."""
    met = []
    for place, stem in mine:
        names = synonyms(stem)
        at = next((k for k, (_, other) in enumerate(theirs) if other in names), None)
        if at is not None:
            met.append((place, theirs.pop(at)[0]))
    return met


def _chunks(met: list[tuple[int, int]]) -> int:
    """Runs of pairs that follow one another in both texts."""
    return 1 + sum(after != (before[0] + 1, before[1] + 1) for before, after in pairwise(met))

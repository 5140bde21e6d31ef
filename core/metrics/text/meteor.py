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
Placed = tuple[int, str]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Synonymy:
    """Stems of words in lower case, and of a stem the words that mean the same, itself among them."""

    stem: Callable[[str], str]
    synonyms: Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Read:
    """A text's stems, and by stem the words that have it with their places, the last first."""

    stems: list[str]
    by_stem: dict[str, list[Placed]]


class Meteor:
    """From 0 to 1, upper and lower case alike.

    Args:
        wordnet: as `open_wordnet` gives it; None for exact words and Porter's stems alone.
    """

    def __init__(self, wordnet: Synonymy | None = None) -> None:
        self._wordnet = wordnet
        self._stem = porter_stem if wordnet is None else wordnet.stem
        self.name = "meteor_exact_stem" if wordnet is None else "meteor_wordnet"

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        each = [self._score(self._read(f), self._read(t)) for f, t in zip(found, true, strict=True)]
        return {self.name: np.array(each)}

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        theirs = [self._read(one) for one in true]
        rows = [[self._score(mine, other) for other in theirs] for mine in map(self._read, found)]
        return {self.name: np.array(rows).reshape(len(found), len(true))}

    def _read(self, text: Text) -> _Read:
        words = [word.lower() for word in text.words]
        stems = [self._stem(word) for word in words]
        by_stem: dict[str, list[Placed]] = {}
        for place in range(len(words) - 1, -1, -1):
            by_stem.setdefault(stems[place], []).append((place, words[place]))
        return _Read(stems, by_stem)

    def _score(self, found: _Read, true: _Read) -> float:
        if not found.stems or not true.stems:
            return float(not found.stems and not true.stems)
        met = self._align(found, true)
        if not met:
            return 0.0
        precision, recall = len(met) / len(found.stems), len(met) / len(true.stems)
        mean = precision * recall / (_RECALL_SHARE * precision + (1 - _RECALL_SHARE) * recall)
        return mean * (1 - _PENALTY * (_chunks(met) / len(met)) ** _POWER)

    def _align(self, found: _Read, true: _Read) -> list[Pair]:
        """Places of words that meet, in order of the found text; each word meets one other at most."""
        met: list[Pair] = []
        for stem in found.by_stem.keys() & true.by_stem.keys():
            met += _meet(found.by_stem[stem], true.by_stem[stem])
        if self._wordnet is not None:
            mine, theirs = {place for place, _ in met}, {place for _, place in met}
            met += _meet_synonyms(_left(found.stems, mine), _left(true.stems, theirs), self._wordnet)
        return sorted(met)


def _meet(mine: list[Placed], theirs: list[Placed]) -> list[Pair]:
    """Words of one stem: equal ones first, then any, from the end of both texts."""
    if len(mine) == 1 and len(theirs) == 1:
        return [(mine[0][0], theirs[0][0])]
    met, unequal, others = [], [], list(theirs)
    for place, word in mine:
        at = next((k for k, (_, other) in enumerate(others) if other == word), None)
        if at is None:
            unequal.append(place)
        else:
            met.append((place, others.pop(at)[0]))
    return met + list(zip(unequal, (place for place, _ in others), strict=False))


def _left(stems: list[str], taken: set[int]) -> list[Placed]:
    """Stems that have met none, with their places, the last first."""
    return [(place, stems[place]) for place in range(len(stems) - 1, -1, -1) if place not in taken]


def _meet_synonyms(mine: list[Placed], theirs: list[Placed], wordnet: Synonymy) -> list[Pair]:
    """Each word, from the end, with the last that is left among its synonyms."""
    met = []
    for place, stem in mine:
        names = wordnet.synonyms(stem)
        at = next((k for k, (_, other) in enumerate(theirs) if other in names), None)
        if at is not None:
            met.append((place, theirs.pop(at)[0]))
    return met


def _chunks(met: list[Pair]) -> int:
    """Runs of pairs that follow one another in both texts."""
    return 1 + sum(after[0] != before[0] + 1 or after[1] != before[1] + 1 for before, after in pairwise(met))

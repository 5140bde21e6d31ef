"""Fixed random vectors of words, those of a topic alike, and their course over a story."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.story import TICK, Story, Topic

# Squared share of the topic in a word's vector; words of no topic are short vectors.
_TOPIC, _FUNCTION = 0.5, 0.3


class WordVectors:
    """Vectors that depend on the word, its topic and nothing else: the same in every story and for every seed.

    Args:
        dim: their length.
        topics: whose words are alike.
    """

    def __init__(self, dim: int, topics: Sequence[Topic] = ()) -> None:
        self.dim = dim
        self._topic: Mapping[str, str] = {
            word: topic.name for topic in topics for words in topic.words.values() for word in words
        }

    def __call__(self, words: Sequence[str]) -> NDArray[np.float64]:
        """[words, dim]; a vector of a topic's word has a mean square of 1."""
        return np.stack([self._vector(word) for word in words]) if words else np.empty((0, self.dim))

    def _vector(self, word: str) -> NDArray[np.float64]:
        own = _random_vector(f"word {word}", self.dim)
        if self._topic and word not in self._topic:
            return _FUNCTION * own
        if not self._topic:
            return own
        shared = _random_vector(f"topic {self._topic[word]}", self.dim)
        made: NDArray[np.float64] = np.sqrt(_TOPIC) * shared + np.sqrt(1 - _TOPIC) * own
        return made


@lru_cache(maxsize=1 << 14)
def _random_vector(name: str, dim: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(dim)
    vector.flags.writeable = False
    return vector


def impulses(story: Story, vectors: WordVectors, start: float, seconds: float) -> NDArray[np.float64]:
    """What is said at each tick of a scan, [ticks, dim + 1]: the words' vectors, then how many words there are.

    Args:
        story: whose sound begins `start` seconds after the scan.
        vectors: of its words.
        start: seconds.
        seconds: length of the scan; words beyond it are not heard.
    """
    course = np.zeros((round(seconds / TICK), vectors.dim + 1))
    ticks = np.round((start + story.onsets) / TICK).astype(int)
    heard = ticks < len(course)
    said = np.column_stack([vectors(story.words), np.ones(len(story.words))])
    np.add.at(course, ticks[heard], said[heard])
    return course


def word_features(story: Story, vectors: WordVectors, start: float, tr: float, volumes: int) -> NDArray[np.float32]:
    """Sums of the words' vectors within each volume, and how many words it has; [volumes, dim + 1]."""
    rows = np.floor((start + story.onsets) / tr + 1e-9).astype(int)
    heard = rows < volumes
    made = np.zeros((volumes, vectors.dim + 1), np.float32)
    said = np.column_stack([vectors(story.words), np.ones(len(story.words))]).astype(np.float32)
    np.add.at(made, rows[heard], said[heard])
    return made

"""What a metric of text is: scores of windows with their own truth, and of every window with the truth of every other.

The second is what nulls are made of: a shift or a shuffle of a story pairs windows anew, and scores no text again.
Wherever words are counted, two empty texts agree wholly, and an empty one agrees with no other at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.text.words import Texts

Array = NDArray[np.float64]
Scores = dict[str, Array]
CUT: Final = "_truncated"


class TextMetric(Protocol):
    """One or more numbers, by name."""

    def paired(self, found: Texts, true: Texts) -> Scores:
        """Of each text with the truth in its place: [windows]."""
        ...

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """Of each text with the truth of every window: [windows, windows]."""
        ...


def falls(name: str) -> bool:
    """Whether less of a metric is better."""
    return name.startswith("wer")


class Truncated:
    """A metric of texts that are cut to the number of words of the truth that they are held against.

    Each pair has its own cut: were a text cut to the length of its own truth throughout, the right pairing would be
    betrayed by its length.
    """

    def __init__(self, metric: TextMetric) -> None:
        self._metric = metric

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        cut = [one.first(len(other.words)) for one, other in zip(found, true, strict=True)]
        return {name + CUT: values for name, values in self._metric.paired(cut, true).items()}

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        return {name + CUT: values for name, values in cut_crossed(self._metric.crossed, found, true).items()}


def cut_crossed(crossed: Callable[[Texts, Texts], Scores], found: Texts, true: Texts) -> Scores:
    """`crossed` of the texts, each cut to the length of the truth that it meets: once for every length."""
    lengths = np.array([len(one.words) for one in true])
    made: Scores = {}
    for length in np.unique(lengths):
        columns = np.flatnonzero(lengths == length)
        cut = [one.first(int(length)) for one in found]
        for name, values in crossed(cut, [true[int(k)] for k in columns]).items():
            made.setdefault(name, np.empty((len(found), len(true))))[:, columns] = values
    return made


def agree_where_empty(scores: Array, found: Texts, true: Texts, *, best: float, worst: float) -> Array:
    """Scores [windows, windows] with those of empty texts put right."""
    none, nothing = (np.array([not one.words for one in side], bool) for side in (found, true))
    scores = np.where(none[:, None] | nothing[None, :], worst, scores)
    return np.where(none[:, None] & nothing[None, :], best, scores)

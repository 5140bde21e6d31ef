"""Texts as counts of their words."""

from __future__ import annotations

import numpy as np

from medpipe.core.metrics.text.metric import Array
from medpipe.core.metrics.text.words import Texts


def count_words(found: Texts, true: Texts) -> tuple[Array, Array]:
    """How often each word of either side is in each text: [windows, words] twice."""
    place: dict[str, int] = {}
    for side in (found, true):
        for one in side:
            for word in one.words:
                place.setdefault(word, len(place))
    counts = [np.zeros((len(side), len(place))) for side in (found, true)]
    for side, made in zip((found, true), counts, strict=True):
        for row, one in enumerate(side):
            np.add.at(made[row], [place[word] for word in one.words], 1)
    return counts[0], counts[1]


def cosines(found: Texts, true: Texts) -> Array:
    """Cosines of counts [windows, windows]; 0 with an empty text."""
    first, second = count_words(found, true)
    lengths = np.sqrt((first**2).sum(axis=1))[:, None] * np.sqrt((second**2).sum(axis=1))[None, :]
    return (first @ second.T) / np.where(lengths > 0, lengths, 1)

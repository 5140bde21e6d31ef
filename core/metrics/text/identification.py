"""Is a window's text told from those of the other windows of its story? The number that is hard to game."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medpipe.core.metrics.rank_accuracy import rank_accuracy
from medpipe.core.metrics.text.metric import CUT, Array, Scores, cut_crossed
from medpipe.core.metrics.text.words import Texts

Similarity = Callable[[Texts, Texts], Array]


class Identification:
    """Rank of the true window among all windows of its story by the similarity of texts.

    `identification` is the share of the other windows that are less alike than the true one, a tie counting half:
    0.5 by chance. `identification_top1` is how often the true window is the most alike, shared where several are:
    one by the number of windows by chance. Undefined, NaN, in a story of one window.
    """

    def __init__(self, similarity: Similarity, *, truncated: bool = False) -> None:
        self._similarity, self._truncated = similarity, truncated

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric: what each window's number would be if the true one were another."""
        alike, suffix = self._similarity(found, true), ""
        if self._truncated:
            suffix = CUT
            alike = cut_crossed(lambda cut, some: {CUT: self._similarity(cut, some)}, found, true)[CUT]
        return {f"identification{suffix}": rank_accuracy(alike), f"identification_top1{suffix}": top_share(alike)}

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        return {name: np.diagonal(values).copy() for name, values in self.crossed(found, true).items()}


def top_share(alike: Array) -> Array:
    """One for the highest of a row, shared among equals; NaN where there is no other."""
    if alike.shape[1] < 2:
        return np.full(alike.shape, np.nan)
    highest = alike == alike.max(axis=1, keepdims=True)
    shares: Array = highest / highest.sum(axis=1, keepdims=True)
    return shares

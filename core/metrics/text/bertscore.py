"""BERTScore (Zhang et al. 2020, arXiv 1904.09675): pieces of two texts met greedily by cosine. No rescaling.

As in bert-score, the marks of a text's begin and end count for nothing, but a piece of the other text may meet them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.text.bert_embedding import BertEmbedding, Pieces
from medpipe.core.metrics.text.metric import Array, Scores, agree_where_empty
from medpipe.core.metrics.text.words import Texts

# Cosines at once, so that memory stays bounded however long a story is.
_BLOCK: Final = 16_000_000


class BertScore:
    """Precision, recall and F1.

    Args:
        embedding: of the pieces.
        rarity: texts from which pieces get their weights, the rarer the heavier; None weighs all alike.
    """

    def __init__(self, embedding: BertEmbedding, rarity: Texts | None = None) -> None:
        self._embedding = embedding
        self._texts = 0 if rarity is None else len(rarity)
        self._holding: dict[int, int] = {}
        for one in rarity or []:
            for number in set(embedding.number(one).tolist()):
                self._holding[number] = self._holding.get(number, 0) + 1

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        mine, theirs = self._embedding.read(found), self._embedding.read(true)
        scores = self._scores(mine, theirs)
        return {name: agree_where_empty(one, found, true, best=1, worst=0) for name, one in scores.items()}

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        mine, theirs = self._embedding.read(found), self._embedding.read(true)
        each = [self._scores([one], [other]) for one, other in zip(mine, theirs, strict=True)]
        both_empty = np.array([not f.words and not t.words for f, t in zip(found, true, strict=True)])
        return {name: np.where(both_empty, 1.0, np.array([one[name][0, 0] for one in each])) for name in each[0]}

    def _scores(self, found: Sequence[Pieces], true: Sequence[Pieces]) -> Scores:
        precision = greedy(found, true, self._weights(found))
        recall = greedy(true, found, self._weights(true)).T
        both = precision + recall
        f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both != 0)
        return {"bertscore_precision": precision, "bertscore_recall": recall, "bertscore_f1": f1}

    def similarity(self, found: Texts, true: Texts) -> Array:
        """Cosines of the texts' mean vectors [windows, windows]."""
        mine, theirs = (np.stack([one.mean() for one in self._embedding.read(side)]) for side in (found, true))
        return mine @ theirs.T

    def _weights(self, read: Sequence[Pieces]) -> list[Array]:
        """Of each text's pieces log((texts + 1) / (texts with it + 1)); alike where all of these are 0."""
        made = []
        for one in read:
            holding = np.array([self._holding.get(int(number), 0) for number in one.numbers], np.float64)
            weights = np.log((self._texts + 1) / (holding + 1))
            made.append(weights if weights.sum() > 0 else np.ones(len(holding)))
        return made


def greedy(first: Sequence[Pieces], second: Sequence[Pieces], weights: Sequence[Array]) -> Array:
    """Of each text of `first`, with each of `second`, the weighted mean of its pieces' best cosines.

    Args:
        first: n texts.
        second: m texts.
        weights: of the pieces of `first`.

    Returns:
        [n, m]; 0 where either text has no pieces.
    """
    made: Array = np.zeros((len(first), len(second)))
    full = [k for k, one in enumerate(second) if len(one.numbers)]
    if not full:
        return made
    there = np.concatenate([second[k].marked for k in full])
    starts = np.cumsum([0, *(len(second[k].marked) for k in full[:-1])])
    for row, (one, weight) in enumerate(zip(first, weights, strict=True)):
        if len(one.numbers):
            made[row, full] = weight @ _best(one.vectors, there, starts) / weight.sum()
    return made


def _best(pieces: NDArray[np.float32], there: NDArray[np.float32], starts: NDArray[np.int64]) -> Array:
    """The highest cosine of each piece in each text [pieces, texts]."""
    rows = max(1, _BLOCK // len(there))
    blocks = [
        np.maximum.reduceat(pieces[start : start + rows] @ there.T, starts, axis=1)
        for start in range(0, len(pieces), rows)
    ]
    return np.concatenate(blocks).astype(np.float64)

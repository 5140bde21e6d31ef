"""BLEU-1: the precision of single words with the brevity penalty, by sacrebleu (Post 2018, arXiv 1804.08771)."""

from __future__ import annotations

import numpy as np

from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.bag_of_words import count_words
from medpipe.core.metrics.text.metric import Array, Scores, agree_where_empty
from medpipe.core.metrics.text.words import Texts


class Bleu1:
    """Of each window, from 0 to 1; words as they were split, no other tokenisation. ModelError without sacrebleu."""

    def __init__(self) -> None:
        try:
            from sacrebleu.metrics.bleu import BLEU
        except ImportError:
            raise ModelError("scores of text need sacrebleu: pip install 'medpipe[text]'", unavailable=True) from None
        self._bleu = BLEU(max_ngram_order=1, tokenize="none", smooth_method="none", effective_order=True)

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        return {"bleu1": np.array([self._one(f.words, t.words) for f, t in zip(found, true, strict=True)])}

    def _one(self, found: tuple[str, ...], true: tuple[str, ...]) -> float:
        if not true or not found:
            return float(not true and not found)
        return float(self._bleu.sentence_score(" ".join(found), [" ".join(true)]).score) / 100

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric; the same from counts of words, for all pairs at once."""
        first, second = count_words(found, true)
        hits: Array = np.zeros((len(found), len(true)))
        # The smaller of two counts is the number of thresholds that both reach.
        for least in range(1, int(min(first.max(initial=0), second.max(initial=0))) + 1):
            hits += (first >= least).astype(np.float64) @ (second >= least).astype(np.float64).T
        written = np.maximum(1, first.sum(axis=1))[:, None]
        brevity = np.exp(np.minimum(0, 1 - second.sum(axis=1)[None, :] / written))
        return {"bleu1": agree_where_empty(hits / written * brevity, found, true, best=1, worst=0)}

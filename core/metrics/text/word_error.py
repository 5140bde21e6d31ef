"""Word error rate, by jiwer."""

from __future__ import annotations

import numpy as np

from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.metric import Array, Scores, agree_where_empty
from medpipe.core.metrics.text.words import Texts


class WordErrorRate:
    """Substitutions, deletions and insertions for each word of the truth; above 1 where more is inserted.

    Where the truth is empty the error is 1, as Tang et al. 2023 (doi 10.1038/s41593-023-01304-9) count it, and 0 where
    both are. Raises ModelError, unavailable, without jiwer.
    """

    def __init__(self) -> None:
        try:
            import jiwer
            from rapidfuzz import process
            from rapidfuzz.distance import Levenshtein
        except ImportError:
            raise ModelError("scores of text need jiwer: pip install 'medpipe[text]'", unavailable=True) from None
        self._jiwer, self._cdist, self._distance = jiwer, process.cdist, Levenshtein.distance

    def paired(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric."""
        return {"wer": np.array([self._one(f.words, t.words) for f, t in zip(found, true, strict=True)])}

    def _one(self, found: tuple[str, ...], true: tuple[str, ...]) -> float:
        if not true or not found:
            return float(bool(true or found))
        return float(self._jiwer.wer(" ".join(true), " ".join(found)))

    def crossed(self, found: Texts, true: Texts) -> Scores:
        """See TextMetric; by rapidfuzz, which jiwer counts with, for all pairs at once."""
        place: dict[str, int] = {}
        coded = [[[place.setdefault(w, len(place)) for w in one.words] for one in side] for side in (found, true)]
        edits: Array = self._cdist(coded[0], coded[1], scorer=self._distance, dtype=np.float64)
        lengths = np.array([len(one.words) for one in true], np.float64)
        return {"wer": agree_where_empty(edits / np.maximum(1, lengths), found, true, best=0, worst=1)}

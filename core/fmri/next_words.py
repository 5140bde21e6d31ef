"""Which words may go on a text: the nucleus of what a language model expects, without what was just said.

Tang et al. 2023 (doi:10.1038/s41593-023-01304-9): words of the training stories; none whose stem is among those of the
context, function words apart; none that came before behind the same word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.porter import porter_stem

# What a text begins with.
FIRST: Final = ("i", "we", "she", "he", "they", "it")
_FUNCTION: Final = """
a about after all also am an and any are as at be because been before being both but by can could did do does
doing don't down each few for from further had has have having he her here hers herself him himself his how i i'm
if in into is isn't it it's its itself just me more most my myself near no nor not now of off on once only or
other our ours out over own said same she so some such than that that's the their theirs them then there these
they this those through to too under until up very was wasn't we were what when where which while who whom why
will with without would you you're your yours
"""


@dataclass(frozen=True, slots=True)
class NextWords:
    """The words that may be said, each a token of the language model.

    Args:
        words: their names.
        tokens: [words].
        nucleus: what share of the probability is looked at.
        ratio: of the likeliest's probability, which a word must have at least.
    """

    words: tuple[str, ...]
    tokens: NDArray[np.intp]
    nucleus: float
    ratio: float
    _place: NDArray[np.intp]
    _stems: NDArray[np.intp]
    _repeats: NDArray[np.bool_]

    @classmethod
    def of(cls, known: Mapping[str, int], vocabulary: int, nucleus: float, ratio: float) -> Self:
        """Of words and their tokens, of a language model with so many. Raises ModelError for none."""
        if not known:
            raise ModelError("no word of the training stories is one token of the language model")
        place = np.full(vocabulary, -1, np.intp)
        tokens = np.array(list(known.values()), np.intp)
        place[tokens] = np.arange(len(tokens))
        _, stems = np.unique([porter_stem(word) for word in known], return_inverse=True)
        function = frozenset(_FUNCTION.split())
        repeats = np.array([word in function for word in known])
        return cls(tuple(known), tokens, nucleus, ratio, place, stems, repeats)

    def first(self) -> NDArray[np.intp]:
        """What a text may begin with: a pronoun where there is one, else any word."""
        found = [place for place, word in enumerate(self.words) if word in FIRST]
        return np.array(found or range(len(self.words)), np.intp)

    def after(self, contexts: NDArray[np.intp], shares: NDArray[np.float32]) -> list[NDArray[np.intp]]:
        """The words that may follow each context, none where there is none.

        Args:
            contexts: places of words [n, before].
            shares: probabilities of tokens, [n, vocabulary].
        """
        barred = self._said_before(contexts)
        made = []
        for row, taken in zip(shares, barred, strict=True):
            near = np.flatnonzero(row >= self.ratio * row.max())
            near = near[np.argsort(-row[near], kind="stable")]
            inside = np.cumsum(row[near]) - row[near] < self.nucleus
            places = self._place[near[inside]]
            places = places[places >= 0]
            made.append(places[~taken[places]])
        return made

    def _said_before(self, contexts: NDArray[np.intp]) -> NDArray[np.bool_]:
        rows = np.arange(len(contexts))[:, None]
        stems = np.zeros((len(contexts), len(self.words)), bool)
        content = ~self._repeats[contexts]
        stems[np.broadcast_to(rows, contexts.shape)[content], self._stems[contexts][content]] = True
        barred = stems[:, self._stems] & ~self._repeats
        follows = contexts[:, :-1] == contexts[:, -1:]
        barred[np.broadcast_to(rows, follows.shape)[follows], contexts[:, 1:][follows]] = True
        return barred

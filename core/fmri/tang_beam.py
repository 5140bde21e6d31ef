"""The decoder of Tang et al. 2023 (doi:10.1038/s41593-023-01304-9): a beam of texts, each as likely as the responses
to it.

The word-rate model says how many words a volume has. A language model says which may come next, the encoding model how
likely the responses are then; the texts under which they are likeliest go on.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.lm_words import LmWords
from medpipe.core.fmri.next_words import NextWords
from medpipe.core.fmri.response_likelihood import GrowingTexts
from medpipe.core.fmri.tang_settings import BeamSettings
from medpipe.core.fmri.word_placement import Placement, even_times, placed

# Words of context at least, whatever their time.
_FLOOR: Final = 5


class Beam:
    """A search for the words of one run after the other.

    Args:
        lm: proposes words, and gives their vectors.
        words: that may be said.
        settings: of the search.
        placement: of words on volumes.
        tr: seconds.
    """

    def __init__(self, lm: LmWords, words: NextWords, settings: BeamSettings, placement: Placement, tr: float) -> None:
        self._lm, self._words, self._settings = lm, words, settings
        self._placement, self._before = placement, settings.seconds / tr

    def search(
        self, counts: NDArray[np.int64], texts: GrowingTexts, chance: np.random.Generator | None = None
    ) -> tuple[list[str], NDArray[np.float32]]:
        """The words of a run and their vectors [words, features].

        Args:
            counts: words of each volume, [volumes].
            texts: of the run, not grown yet.
            chance: draws likelihoods in the place of the responses', a null with the same times of words.
        """
        times = even_times(counts)
        told, logs = np.empty((1, 0), np.intp), np.zeros(1)
        for now, time in enumerate(times):
            near = max(int(np.searchsorted(times[:now], time - self._before, side="right")), 0)
            context = told[:, min(near, max(0, now - _FLOOR)) :]
            parents, chosen, gained = self._proposed(context)
            vectors = self._vectors(context[parents], chosen)
            first, weights = placed(float(time), len(counts), self._placement)
            if chance is None:
                totals = texts.totals[parents] + texts.gains(first, weights, parents, vectors)
            else:
                totals = chance.random(len(parents))
            kept = self._kept(parents, totals, logs)
            parents, chosen = parents[kept], chosen[kept]
            texts.keep(first, weights, parents, vectors[kept], totals[kept])
            told = np.column_stack([told[parents], chosen])
            logs = logs[parents] + gained[kept]
        best = told[0]
        return [self._words.words[place] for place in best], self._again(best)

    def _proposed(self, contexts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Texts and the words that may go on them, [n] each, with the words' log-probabilities."""
        if not contexts.shape[1]:
            first = self._words.first()
            return np.zeros(len(first), np.intp), first, np.full(len(first), -np.log(len(first)))
        tokens = self._words.tokens
        shares = self._lm.next_shares(tokens[contexts])
        found = self._words.after(contexts, shares)
        if not any(map(len, found)):
            # All that is expected was just said, or is no word: the likeliest word there is.
            found = list(shares[:, tokens].argmax(axis=1)[:, None])
        parents = np.repeat(np.arange(len(found)), [len(one) for one in found])
        chosen = np.concatenate(found).astype(np.intp)
        return parents, chosen, np.log(np.maximum(shares[parents, tokens[chosen]], 1e-30, dtype=np.float64))

    def _vectors(self, contexts: NDArray[np.intp], chosen: NDArray[np.intp]) -> NDArray[np.float32]:
        return self._lm.token_vectors(self._words.tokens[contexts], self._words.tokens[chosen])

    def _kept(
        self, parents: NDArray[np.intp], totals: NDArray[np.float64], logs: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """Which go on, the likeliest first: of each text as many as its rank by the language model allows."""
        ranks = np.empty(len(logs), np.intp)
        ranks[np.argsort(logs, kind="stable")] = np.arange(1, len(logs) + 1)
        allowed = np.ceil(self._settings.extensions * ranks / len(logs))
        order = np.lexsort((-totals, parents))
        begins = np.searchsorted(parents[order], parents[order])
        inside = order[np.arange(len(order)) - begins < allowed[parents[order]]]
        kept: NDArray[np.intp] = inside[np.argsort(-totals[inside], kind="stable")][: self._settings.beam]
        return kept

    def _again(self, told: NDArray[np.intp]) -> NDArray[np.float32]:
        """The vectors of a text's words, as they were when they were added."""
        if not len(told):
            return np.empty((0, self._lm.width), np.float32)
        context = self._lm.context
        return np.concatenate([
            self._vectors(told[None, max(0, now - context) : now], told[now : now + 1]) for now in range(len(told))
        ])  # fmt: skip

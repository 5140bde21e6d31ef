"""Scores by the words of a query for recordings that are already judged, concept by concept.

The shipped query head does the same with embeddings (`query_head`): its classifiers are linear, so that a blend of
them and a blend of their logits are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.core.ecg.default_model import open_text_tower
from medpipe.core.ecg.text_tower import TextTower
from medpipe.core.ecg.text_train import Shares, Taught, TextPlan, read_phrases, train_shares
from medpipe.core.ecg.train_default import UNRELATED

Array = NDArray[np.float32]


@lru_cache(maxsize=1)
def _known() -> tuple[TextTower, Taught]:
    """The tower, and what it makes of every phrase: the half of the work that all text sides share."""
    tower = open_text_tower()
    return tower, read_phrases(tower)


class TextSide:
    """What the words of a query mean, learnt from all phrases but the `hidden` ones [phrases]."""

    def __init__(self, hidden: NDArray[np.bool_] | None = None) -> None:
        self._tower, known = _known()
        self._network: Shares = train_shares(known if hidden is None else known.without(hidden), TextPlan())

    def vectors(self, queries: Sequence[str]) -> Array:
        """Unit vectors [queries, 384] of texts."""
        return np.stack([self._tower.encode(query) for query in queries])

    def shares(self, queries: Sequence[str]) -> Array:
        """Shares [queries, concepts + 1] of texts in the concepts; the last is that of nothing in an ECG."""
        with torch.no_grad():
            found: Array = torch.softmax(self._network(torch.from_numpy(self.vectors(queries))), dim=1).numpy()
        return found


def zero_shot(logits: Array, shares: Array) -> NDArray[np.float64]:
    """Scores [n, queries] of logits [n, concepts] for shares [queries, concepts + 1]."""
    whole = np.concatenate([logits, np.full((len(logits), 1), UNRELATED, np.float32)], axis=1)
    return (whole @ shares.T).astype(np.float64)

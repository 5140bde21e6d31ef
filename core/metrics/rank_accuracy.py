"""The rank of each value among the others of its row: what identification counts, of texts and of features alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rank_accuracy(alike: NDArray[Any]) -> NDArray[np.float64]:
    """Of similarities [rows, n] the share of a row's other values that each is above, ties as halves; [rows, n].

    NaN where there is no other.
    """
    count = alike.shape[1]
    if count < 2:
        return np.full(alike.shape, np.nan)
    order = np.argsort(alike, axis=1, kind="stable")
    values = np.take_along_axis(alike, order, axis=1)
    places = np.arange(count)
    differs = values[:, 1:] != values[:, :-1]
    edge = np.ones((len(alike), 1), bool)
    # Of a run of equals its first place and its last.
    first = np.maximum.accumulate(np.where(np.hstack([edge, differs]), places, 0), axis=1)
    last = np.where(np.hstack([differs, edge]), places, count)[:, ::-1]
    last = np.minimum.accumulate(last, axis=1)[:, ::-1]
    made = np.empty(alike.shape)
    np.put_along_axis(made, order, (first + last) / (2 * (count - 1)), axis=1)
    return made

"""Samples that are not there: short gaps are bridged and counted, leads with long ones are left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

LIMIT = 0.10


def fill_gaps(
    signal: NDArray[np.float32], leads: Sequence[str], limit: float = LIMIT
) -> tuple[NDArray[np.float32], dict[str, int], list[str]]:
    """Bridge NaN and infinite samples by straight lines, the ends by the nearest sample.

    Args:
        signal: [leads, n]; returned as it is where nothing is missing.
        leads: a name for each row.
        limit: the largest part of a lead that may be bridged.

    Returns:
        The signal, the number of bridged samples of each lead that had any, and the leads that lack more
        than the limit: they must not be used.

    Raises:
        InputError: no lead is left.
    """
    finite = np.isfinite(signal)
    if finite.all():
        return signal, {}, []
    share = 1.0 - finite.mean(axis=1)
    dropped = [lead for lead, lacking in zip(leads, share, strict=True) if lacking > limit]
    if len(dropped) == len(leads):
        if not finite.any():
            raise InputError("all-nan", "every sample is NaN")
        message = f"each lead lacks {share.min():.1%} of its samples or more; the limit is {limit:.0%}"
        raise InputError("too-many-nan", message)
    filled = signal.copy()
    counts: dict[str, int] = {}
    places = np.arange(signal.shape[1])
    for row, lead in enumerate(leads):
        there = finite[row]
        if share[row] == 0 or share[row] > limit:
            continue
        filled[row, ~there] = np.interp(places[~there], places[there], signal[row, there])
        counts[lead] = int((~there).sum())
    return filled, counts, dropped

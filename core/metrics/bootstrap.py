"""Bootstrap draws of records, or of whole clusters of them such as the recordings of one patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Draws at once, so that memory stays bounded however many records there are.
_BLOCK_ELEMENTS = 4_000_000


def draw_weights(
    records: int, draws: int, seed: int, clusters: Sequence[str] | None = None
) -> Iterator[NDArray[np.float64]]:
    """How often each record is in each draw, in blocks [some draws, records].

    Clusters are drawn with replacement, as many as there are, each with all its records.
    """
    rng = np.random.default_rng(seed)
    member = np.arange(records) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = int(member.max()) + 1 if records else 0
    block = max(1, _BLOCK_ELEMENTS // max(1, records))
    for start in range(0, draws, block):
        drawn = rng.integers(0, count, (min(block, draws - start), count))
        times = np.stack([np.bincount(row, minlength=count) for row in drawn])
        yield times[:, member].astype(np.float64)


def interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of the draws that are defined; None when fewer than two are."""
    defined = values[np.isfinite(values)]
    if len(defined) < 2:
        return None
    low, high = np.percentile(defined, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def mean_interval(values: Sequence[float], draws: int = 1000, seed: int = 0) -> tuple[float, float] | None:
    """Of the mean of `values`, over draws of them; None for fewer than two."""
    if len(values) < 2:
        return None
    given = np.asarray(values, np.float64)
    blocks = [weights @ given / len(given) for weights in draw_weights(len(given), draws, seed)]
    return interval(np.concatenate(blocks))


def two_sided_p(differences: NDArray[np.float64]) -> float | None:
    """Bootstrap p of no difference: twice the smaller share of draws on one side of zero, never below 1/draws."""
    defined = differences[np.isfinite(differences)]
    if not len(defined):
        return None
    below, above = float((defined <= 0).mean()), float((defined >= 0).mean())
    return min(1.0, max(2 * min(below, above), 1 / len(defined)))

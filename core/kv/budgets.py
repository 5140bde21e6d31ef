"""Whole numbers of cache entries for layers, which sum to what was asked for exactly."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from medpipe.core.errors import InputError


def least_budget(entries: int) -> int:
    """What a layer keeps at the least of so many entries: four, or a hundredth."""
    return min(entries, max(4, math.ceil(entries / 100)))


def requested_total(ratio: float, entries: int, layers: int) -> int:
    """How many entries all layers keep together. Raises InputError for a ratio that is not in (0, 1]."""
    if not 0 < ratio <= 1:
        raise InputError("bad-ratio", f"a ratio of {ratio:g} is not above 0 and at most 1")
    return max(layers, round(ratio * entries * layers))


def exact_budgets(weights: Sequence[float], total: int, least: int, most: int) -> list[int]:
    """Budgets in proportion to weights, each within bounds, that sum to `total`.

    Water is filled in: a layer at a bound stays there and the others share the rest; fractions go by largest remainder.
    The lower bound gives way where all layers together cannot have it.

    Args:
        weights: of the layers, none negative, finite.
        total: to be shared out.
        least: entries of a layer.
        most: entries of a layer.

    Raises:
        InputError: `total` is above what all layers can hold, or below one a layer.
    """
    count = len(weights)
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise InputError("bad-weights", "a layer's weight is negative or not a number")
    if not count <= total <= count * most:
        raise InputError("bad-budget", f"{total} entries do not fit {count} layers of 1 to {most}")
    least = min(least, total // count)
    shares = _filled(weights, total, least, most)
    budgets = [math.floor(share + 1e-9) for share in shares]
    order = sorted(range(count), key=lambda layer: (budgets[layer] - shares[layer], layer))
    room = [layer for layer in order if budgets[layer] < most]
    for layer in room[: total - sum(budgets)]:
        budgets[layer] += 1
    return budgets


def _filled(weights: Sequence[float], total: int, least: int, most: int) -> list[float]:
    """Shares as real numbers: weights times one level, cut at the bounds."""
    scale = max(weights)
    # Of layers without weight each gets as much as any other without.
    weights = [max(weight / scale, 1e-12) for weight in weights] if scale > 0 else [1.0] * len(weights)
    level = _level(weights, total, least, most)
    return _cut(weights, level, least, most)


def _cut(weights: Sequence[float], level: float, least: int, most: int) -> list[float]:
    return [min(float(most), max(float(least), level * weight)) for weight in weights]


def _level(weights: Sequence[float], total: int, least: int, most: int) -> float:
    """Where the shares sum to the total: between two levels at which a layer leaves one bound or comes to the other."""
    turns = sorted(bound / weight for weight in weights for bound in (least, most))
    after = bisect_left(turns, float(total), key=lambda turn: math.fsum(_cut(weights, turn, least, most)))
    if after in (0, len(turns)):
        return turns[min(after, len(turns) - 1)]
    level = turns[after - 1]
    # Only layers between the bounds rise with the water.
    rising = [weight for weight in weights if least / weight <= level < most / weight]
    missing = total - math.fsum(_cut(weights, level, least, most))
    return min(turns[after], level + missing / math.fsum(rising)) if rising else level

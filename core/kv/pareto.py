"""Which budgets are worth having: those that no other beats in cost and in price at once."""

from __future__ import annotations

from collections.abc import Sequence


def pareto(points: Sequence[tuple[float, float] | None]) -> list[bool]:
    """Which points have no other as good in both numbers and better in one; less is better, None is no point."""
    there = [point for point in points if point is not None]
    return [
        point is not None and not any(one != point and one[0] <= point[0] and one[1] <= point[1] for one in there)
        for point in points
    ]

"""A metric with its interval, and rows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.bootstrap import interval, two_sided_p

Array = NDArray[np.float64]


@dataclass(slots=True)
class Estimate:
    """A metric, its 95 % interval, and for a difference its p; None where it is not defined."""

    value: float | None
    interval: tuple[float, float] | None = None
    p: float | None = None


@dataclass(slots=True)
class Row:
    """One class, or one mean over classes."""

    id: str
    facts: dict[str, Any]
    estimates: dict[str, Estimate]
    thresholds: list[dict[str, Any]] = field(default_factory=list)

    def record(self, suffix: str = "") -> dict[str, Any]:
        """The row as a JSON object, `suffix` behind the metrics' names."""
        made: dict[str, Any] = {"id": self.id, **self.facts}
        for metric, one in self.estimates.items():
            name = metric + suffix
            made[name] = one.value
            if one.interval is not None:
                # Else 1 may read 0.9999999999999999.
                made[f"{name}_ci95"] = [round(end, 12) for end in one.interval]
            if one.p is not None:
                made[f"{name}_p"] = one.p
        return made | ({"thresholds": self.thresholds} if self.thresholds else {})


def estimate(value: float, draws: Array, *, paired: bool = False) -> Estimate:
    """Of a value, which may be NaN, and its bootstrap draws."""
    if not np.isfinite(value):
        return Estimate(None)
    return Estimate(float(value), interval(draws), two_sided_p(draws) if paired else None)

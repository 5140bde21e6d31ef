"""Where a model looked: bands of colour behind the traces, the darker the more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from medpipe.core.draw.layout import MM_PER_SECOND

_COLOUR = (0.98, 0.55, 0.05)
_DARKEST = 0.55
# So many times what even attention would give is the darkest, or more where a piece has more.
_STRONG = 5.0


@dataclass(frozen=True, slots=True)
class Saliency:
    """Weights [rows, pieces] of equal pieces of time.

    A row belongs to the lead of its name; one row without names belongs to all leads. `seconds` is the time that the
    pieces cover, which may be more than the recording has, `label` what the model was asked, `start` the time in
    them at which the picture begins.
    """

    weights: NDArray[np.float32]
    leads: Sequence[str] | None
    seconds: float
    label: str
    start: float = 0.0

    @property
    def strongest(self) -> float:
        """The largest weight, in units of what even attention would give each piece."""
        even = float(np.nanmean(self.weights)) if self.weights.size else 0.0
        return float(np.nanmax(self.weights)) / even if even > 0 else 0.0

    def row(self, lead: str) -> NDArray[np.float32] | None:
        """How dark each piece [pieces] of a lead is, 0 to 1: what lies above even attention. None where it has none."""
        if self.strongest <= 1 or (self.leads is not None and lead not in self.leads):
            return None
        row = self.weights[0 if self.leads is None else list(self.leads).index(lead)]
        above = np.clip(row / np.nanmean(self.weights) - 1, 0, None)
        return np.asarray(above / max(self.strongest - 1, _STRONG - 1), np.float32)


def shade(
    axes: Axes, saliency: Saliency, lead: str, begin: float, end: float, left: float, base: float, height: float
) -> None:
    """Behind the strip of a lead from `begin` to `end` seconds, whose first sample is at `left`, `base` in mm."""
    row = saliency.row(lead)
    if row is None:
        return
    piece = saliency.seconds / len(row)
    for place, weight in enumerate(row):
        start = max(begin, place * piece - saliency.start)
        stop = min(end, (place + 1) * piece - saliency.start)
        if stop > start and weight > 0:
            x = left + (start - begin) * MM_PER_SECOND
            axes.fill_between(
                [x, x + (stop - start) * MM_PER_SECOND], base - height / 2, base + height / 2,
                color=_COLOUR, alpha=_DARKEST * float(weight), linewidth=0, zorder=0.5,
            )  # fmt: skip

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


@dataclass(frozen=True, slots=True)
class Saliency:
    """Weights [rows, pieces] of equal pieces of time from the first sample on.

    A row belongs to the lead of its name; one row without names belongs to all leads. `seconds` is the time that the
    pieces cover, which may be more than the recording has, `label` what the model was asked.
    """

    weights: NDArray[np.float32]
    leads: Sequence[str] | None
    seconds: float
    label: str

    def row(self, lead: str) -> NDArray[np.float32] | None:
        """Weights [pieces] of a lead from 0 to 1, the largest of all leads being 1; None where it has none."""
        top = float(np.nanmax(self.weights)) if self.weights.size else 0.0
        if top <= 0:
            return None
        if self.leads is None:
            return np.asarray(self.weights[0] / top)
        return np.asarray(self.weights[list(self.leads).index(lead)] / top) if lead in self.leads else None


def shade(
    axes: Axes, saliency: Saliency, lead: str, begin: float, end: float, left: float, base: float, height: float
) -> None:
    """Behind the strip of a lead from `begin` to `end` seconds, whose first sample is at `left`, `base` in mm."""
    row = saliency.row(lead)
    if row is None:
        return
    piece = saliency.seconds / len(row)
    for place, weight in enumerate(row):
        start, stop = max(begin, place * piece), min(end, (place + 1) * piece)
        if stop > start and weight > 0:
            x = left + (start - begin) * MM_PER_SECOND
            axes.fill_between(
                [x, x + (stop - start) * MM_PER_SECOND], base - height / 2, base + height / 2,
                color=_COLOUR, alpha=_DARKEST * float(weight), linewidth=0, zorder=0.5,
            )  # fmt: skip

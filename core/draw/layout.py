"""Where the leads of an electrocardiogram stand on the page, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MM_PER_SECOND = 25.0
MM_PER_UNIT = 10.0
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
STANDARD = tuple(lead for column in COLUMNS for lead in column)
# Rows are this far apart, or further where a lead needs it: the usual paper has about 25 mm.
_ROW_MM = (24.0, 60.0)


@dataclass(frozen=True, slots=True)
class Strip:
    """One trace: a row of the signal from `begin` to `end` seconds, at `left` mm in line `line`."""

    row: int
    begin: float
    end: float
    left: float
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """Strips and the distance between their lines; `seconds` is the time that a whole line shows."""

    strips: list[Strip]
    lines: int
    line_mm: float
    seconds: float

    @property
    def width_mm(self) -> float:
        """Length of a line on paper."""
        return self.seconds * MM_PER_SECOND


def arrange(signal: NDArray[np.float32], fs: float, leads: Sequence[str], layout: str, rhythm: str) -> Page:
    """Three rows of four leads with a rhythm strip (`3x4`), a line for each lead (`12x1`), or what fits (`auto`)."""
    seconds = signal.shape[1] / fs
    complete = all(lead in leads for lead in STANDARD)
    if layout == "3x4" or (layout == "auto" and complete and seconds >= 2.0):
        strips = _columns(leads, seconds)
        # The rhythm strip, and leads that have no place among the twelve.
        whole = [leads.index(rhythm)] if rhythm in leads else []
        whole += [row for row, lead in enumerate(leads) if lead not in STANDARD and row not in whole]
        strips += [Strip(row, 0.0, seconds, 0.0, 3 + place) for place, row in enumerate(whole)]
        lines = 3 + len(whole)
    else:
        strips = [Strip(row, 0.0, seconds, 0.0, row) for row in range(len(leads))]
        lines = len(leads)
    return Page(strips, lines, _line_mm(signal, strips), seconds)


def _columns(leads: Sequence[str], seconds: float) -> list[Strip]:
    """A quarter of the time for each column, all columns one after another in time."""
    quarter = seconds / 4
    strips = []
    for place, column in enumerate(COLUMNS):
        for line, lead in enumerate(column):
            if lead in leads:
                begin = place * quarter
                strips.append(Strip(leads.index(lead), begin, begin + quarter, begin * MM_PER_SECOND, line))
    return strips


def _line_mm(signal: NDArray[np.float32], strips: Sequence[Strip]) -> float:
    """Room for the tallest trace, within reason: of many, one wild lead must not push all others off the page."""
    spans = []
    for row in {strip.row for strip in strips}:
        there = signal[row][np.isfinite(signal[row])]
        if len(there):
            spans.append(float(there.max() - there.min()))
    tallest = sorted(spans)[-2] if len(spans) > 12 else max(spans, default=1.0)
    least, most = _ROW_MM
    return float(min(most, max(least, 4 + 0.85 * MM_PER_UNIT * tallest)))

"""An electrocardiogram on its grid, to scale: 25 mm/s and 10 mm/mV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medpipe.core.draw.layout import MM_PER_SECOND, MM_PER_UNIT, Page, Strip, arrange
from medpipe.core.draw.saliency import Saliency, shade
from medpipe.core.draw.score_panel import PANEL_MM, draw_scores

_INCH = 25.4
_PAPER = "#fffdfb"
_FINE, _COARSE = "#f9dcdc", "#eeb0b0"
_INK, _QUIET = "#16181d", "#5c6068"
_MARGIN = 8.0
_PULSE = 15.0  # room for the calibration pulse left of the traces
_HEAD, _FOOT = 12.0, 9.0


def draw_ecg(
    signal: NDArray[np.float32],
    fs: float,
    leads: Sequence[str],
    *,
    layout: str = "auto",
    rhythm: str = "II",
    title: str | None = None,
    scores: Mapping[str, float] | None = None,
    score_kind: str | None = None,
    units: Sequence[str] = (),
    start: float = 0.0,
    total_seconds: float | None = None,
    saliency: Saliency | None = None,
) -> Figure:
    """The picture of a recording of at most some ten seconds.

    Args:
        signal: [leads, n] in mV; NaN breaks the trace. A lead in another unit is scaled to the page.
        fs: rate in Hz.
        leads: names of the rows.
        layout: `3x4` with a rhythm strip, `12x1`, or `auto`.
        rhythm: lead of the rhythm strip.
        title: heading.
        scores: name to number, drawn beside the leads.
        score_kind: `probability` draws them from 0 to 1.
        units: of the rows; all mV when empty.
        start: time of the first sample in the recording, in seconds.
        total_seconds: length of the whole recording.
        saliency: where a model looked, drawn behind the traces.
    """
    drawn, scaled = _to_page(signal, units, leads)
    page = arrange(drawn, fs, leads, layout, rhythm)
    panel = PANEL_MM if scores else 0.0
    # Whole squares of 5 mm, so that the grid closes.
    width = 2 * _MARGIN + 5 * math.ceil((_PULSE + page.width_mm) / 5 - 1e-6)
    height = _HEAD + 5 * math.ceil(page.lines * page.line_mm / 5) + _FOOT
    figure = Figure(figsize=(max(width + panel, 90) / _INCH, height / _INCH), facecolor=_PAPER)
    axes = _grid(figure, width, height, panel)
    cut = {leads[strip.row] for strip in page.strips if _trace(axes, drawn, fs, leads, page, strip, height)}
    for line in range(page.lines):
        _pulse(axes, _baseline(page, line, height))
    if saliency is not None:
        for strip in page.strips:
            shade(
                axes, saliency, leads[strip.row], strip.begin, strip.end, _MARGIN + _PULSE + strip.left,
                _baseline(page, strip.line, height), 0.8 * page.line_mm,
            )  # fmt: skip
    if title:
        axes.text(
            _MARGIN, height - 4.0, _short(title, width), va="top", size=9, weight="bold", color=_INK, parse_math=False
        )
    said = _footer(signal, fs, start, total_seconds, scaled, [lead for lead in leads if lead in cut])
    if saliency is not None:
        share = f"up to {saliency.strongest:.1f} times an even share"
        said += f"    shaded: where the model looked for {saliency.label}, {share}"
    axes.text(_MARGIN, 3.2, said, size=7, color=_QUIET, parse_math=False)
    if scores:
        draw_scores(figure, scores, score_kind, left_mm=width, height_mm=height)
    return figure


def _to_page(
    signal: NDArray[np.float32], units: Sequence[str], leads: Sequence[str]
) -> tuple[NDArray[np.float32], list[str]]:
    """Leads in no voltage brought to two squares, and their names."""
    drawn, scaled = signal.astype(np.float32, copy=True), []
    for row in range(len(drawn)):
        there = drawn[row][np.isfinite(drawn[row])]
        if len(there):
            drawn[row] -= np.median(there)
        if row < len(units) and units[row] != "mV" and len(there) and np.ptp(there) > 0:
            drawn[row] *= 2.0 / float(np.ptp(there))
            scaled.append(leads[row])
    return drawn, scaled


def _grid(figure: Figure, width: float, height: float, panel: float) -> Axes:
    """Axes in millimetres over the paper, with its lines."""
    axes = figure.add_axes((0, 0, width / max(width + panel, 90), 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    left, right, bottom, top = _MARGIN, width - _MARGIN, _FOOT, height - _HEAD
    for step, colour, thick in ((1, _FINE, 0.35), (5, _COARSE, 0.6)):
        columns, rows = np.arange(left, right + 0.01, step), np.arange(bottom, top + 0.01, step)
        axes.vlines(columns, rows[0], rows[-1], colors=colour, linewidths=thick, zorder=0)
        axes.hlines(rows, columns[0], columns[-1], colors=colour, linewidths=thick, zorder=0)
    return axes


def _baseline(page: Page, line: int, height: float) -> float:
    return height - _HEAD - (line + 0.55) * page.line_mm


def _trace(
    axes: Axes,
    signal: NDArray[np.float32],
    fs: float,
    leads: Sequence[str],
    page: Page,
    strip: Strip,
    height: float,
) -> bool:
    """Draw one strip; whether the page cuts it off."""
    first, last = round(strip.begin * fs), round(strip.end * fs)
    values = signal[strip.row, first : last + 1]
    base = _baseline(page, strip.line, height)
    left = _MARGIN + _PULSE + strip.left
    x = left + np.arange(len(values)) / fs * MM_PER_SECOND
    y = base + values * MM_PER_UNIT
    # What leaves the page is left out rather than drawn over the text, or held at the edge as if saturated.
    outside = (y < _FOOT) | (y > height - _HEAD)
    y[outside] = np.nan
    axes.plot(x, y, color=_INK, linewidth=0.7, solid_joinstyle="round", zorder=2)
    if strip.left > 0:
        axes.vlines(left, base - 4, base + 4, colors=_QUIET, linewidths=0.5, zorder=1)
    label = base + 0.33 * page.line_mm
    # Below the trace: a name may cover the grid, never the heart.
    axes.text(
        left + 1.2, label, leads[strip.row], size=7.5, weight="bold", color=_INK, zorder=1.5, parse_math=False,
        bbox={"facecolor": _PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
    )  # fmt: skip
    return bool(outside.any())


def _pulse(axes: Axes, base: float) -> None:
    """The calibration: 1 mV for 0.2 s."""
    x = _MARGIN + 2 + np.array([0, 2, 2, 7, 7, 9])
    y = base + np.array([0, 0, 10, 10, 0, 0])
    axes.plot(x, y, color=_INK, linewidth=0.7, solid_joinstyle="miter", zorder=2)


def _footer(
    signal: NDArray[np.float32], fs: float, start: float, total: float | None, scaled: Sequence[str], cut: Sequence[str]
) -> str:
    seconds = signal.shape[1] / fs
    words = ["25 mm/s", "10 mm/mV", f"{fs:g} Hz"]
    if total is not None and total > seconds + 0.5 / fs:
        words.append(f"{start:g} to {start + seconds:g} s of {total:g} s")
    else:
        words.append(f"{seconds:g} s")
    if scaled:
        words.append(f"no voltage, scaled to fit: {_some(scaled)}")
    if cut:
        words.append(f"taller than the page: {_some(cut)}")
    if not np.isfinite(signal).all():
        words.append("gaps where samples are missing")
    return "    ".join(words)


def _some(leads: Sequence[str]) -> str:
    return ", ".join(leads[:6]) + (", ..." if len(leads) > 6 else "")


def _short(text: str, width_mm: float) -> str:
    text = " ".join(text.split())
    most = max(12, int(width_mm / 2.1))
    return text if len(text) <= most else f"\N{HORIZONTAL ELLIPSIS}{text[1 - most :]}"

"""What methods of a key-value cache cost: a row of bars for each, side by side in time and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medpipe.core.draw.cache_layers import GRID, INK, QUIET

_FULL, _OTHER = "#5c6068", "#2f6f9f"
# Inches: the names, a panel with the gap after it, a bar, what is above and below.
_LEFT, _WIDE, _GAP, _ROW, _HEAD, _FOOT = 1.5, 2.3, 0.7, 0.3, 1.0, 0.45
_LETTER = 0.06


@dataclass(frozen=True, slots=True)
class Panel:
    """A measure: what it is called, a value for each method, None for none, and what is written beside each bar."""

    title: str
    values: Sequence[float | None]
    said: Sequence[str]


def draw_cache_costs(title: str, summary: str, names: Sequence[str], panels: Sequence[Panel]) -> Figure:
    """Methods from above to below in the order of `names`; `full` is grey."""
    width, height = _LEFT + (_WIDE + _GAP) * len(panels), _HEAD + _FOOT + _ROW * len(names)
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.text(0.25 / width, 1 - 0.3 / height, title, size=12, weight="bold", color=INK, parse_math=False)
    figure.text(0.25 / width, 1 - 0.53 / height, summary, size=8, color=QUIET, parse_math=False)
    for place, panel in enumerate(panels):
        left = (_LEFT + place * (_WIDE + _GAP)) / width
        axes = figure.add_axes((left, _FOOT / height, _WIDE / width, _ROW * len(names) / height))
        _draw_bars(axes, panel, [_FULL if name.startswith("full") else _OTHER for name in names])
        axes.set_yticks(range(len(names)), names if place == 0 else [], parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
    return figure


def _draw_bars(axes: Axes, panel: Panel, colours: Sequence[str]) -> None:
    lengths = [max(0.0, value or 0.0) for value in panel.values]
    axes.barh(range(len(lengths)), lengths, height=0.62, color=colours, zorder=2)
    for row, (length, said) in enumerate(zip(lengths, panel.said, strict=True)):
        axes.annotate(said, (length, row), (3, 0), textcoords="offset points", va="center", size=7,
                      color=INK, parse_math=False)  # fmt: skip
    axes.set_title(panel.title, size=9, color=INK, loc="left")
    # What is written beside the longest bar has the gap, and where that is too little, some of the panel.
    room = max(0.05, _LETTER * max(map(len, panel.said)) - _GAP + 0.2)
    axes.set_xlim(0, max(*lengths, 1e-9) * _WIDE / (_WIDE - room))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.tick_params(labelsize=7, length=2, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)

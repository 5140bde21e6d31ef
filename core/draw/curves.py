"""The curves of a training: losses and validation over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

_INK, _QUIET, _GRID = "#16181d", "#8a8f98", "#e6e7ea"
_COLOURS = ("#1f6f9c", "#d1702a", "#3c8d53", "#8b5fbf", "#b8433f")
_PLACE = ("split", "step", "epoch", "lr", "timing")


def draw_curves(lines: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Of the lines of a metrics.jsonl: training losses with their moving mean to the left, validation to the right."""
    figure = Figure(figsize=(9.5, 3.6), facecolor="white")
    left, right = figure.subplots(1, 2)
    train = [line for line in lines if line.get("split") == "train"]
    held = [line for line in lines if line.get("split") == "val"]
    _panel(left, train, "training loss", smooth=True)
    _panel(right, held, "validation", smooth=False)
    figure.suptitle(title, size=10, color=_INK, x=0.01, ha="left")
    figure.tight_layout()
    return figure


def _panel(axes: Any, lines: Sequence[Mapping[str, Any]], name: str, *, smooth: bool) -> None:
    axes.set_title(name, size=9, color=_INK, loc="left")
    axes.set_xlabel("step", size=8)
    axes.tick_params(labelsize=7)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    keys = [key for key, value in (lines[0] if lines else {}).items() if key not in _PLACE and _is_number(value)]
    for key, colour in zip(keys, _COLOURS * 4, strict=False):
        points = [(line["step"], line[key]) for line in lines if _is_number(line.get(key))]
        steps, values = np.array(points, float).T
        if smooth and len(values) > 20:
            axes.plot(steps, values, color=colour, linewidth=0.5, alpha=0.3)
            values = _moving_mean(values, max(5, len(values) // 40))
        axes.plot(steps, values, color=colour, linewidth=1.4, label=key, marker="" if smooth else "o", markersize=3)
    if keys:
        axes.legend(fontsize=7, frameon=False)
    else:
        axes.text(0.5, 0.5, "nothing logged", transform=axes.transAxes, ha="center", size=8, color=_QUIET)


def _moving_mean(values: Any, width: int) -> Any:
    """The mean of the last `width` values, of fewer at the start."""
    total = np.cumsum(np.insert(values, 0, 0.0))
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - width, 0)
    return (total[stop] - total[start]) / (stop - start)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

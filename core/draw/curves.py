"""The curves of a training: losses and validation over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

_INK, _QUIET, _GRID = "#16181d", "#8a8f98", "#e6e7ea"
_COLOURS = ("#1f6f9c", "#d1702a", "#3c8d53", "#8b5fbf", "#b8433f")
_PLACE = ("split", "step", "epoch", "lr", "timing")
_AREA, _COUNT = "macro_auroc", "entities_scored"


def draw_curves(lines: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Of the lines of a metrics.jsonl: losses of training with their moving mean, of validation, and areas."""
    train = [line for line in lines if line.get("split") == "train"]
    held = [line for line in lines if line.get("split") == "val"]
    areas = any(_is_number(line.get(_AREA)) for line in held)
    figure = Figure(figsize=(13.0 if areas else 9.5, 3.6), facecolor="white")
    panels = figure.subplots(1, 3 if areas else 2)
    _panel(panels[0], train, _losses(train), "training loss", smooth=True)
    _panel(panels[1], held, _losses(held), "validation loss", smooth=False)
    if areas:
        _panel(panels[2], held, [_AREA], "validation, mean AUROC of the entities", smooth=False)
    figure.suptitle(title, size=10, color=_INK, x=0.01, ha="left")
    figure.tight_layout()
    return figure


def _losses(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    first = lines[0] if lines else {}
    return [key for key, value in first.items() if key not in (*_PLACE, _AREA, _COUNT) and _is_number(value)]


def _panel(axes: Any, lines: Sequence[Mapping[str, Any]], keys: Sequence[str], name: str, *, smooth: bool) -> None:
    axes.set_title(name, size=9, color=_INK, loc="left")
    axes.set_xlabel("step", size=8)
    axes.tick_params(labelsize=7)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for key, colour in zip(keys, _COLOURS * 4, strict=False):
        points = [(line["step"], line[key]) for line in lines if _is_number(line.get(key))]
        steps, values = np.array(points, float).T
        if smooth and len(values) > 20:
            axes.plot(steps, values, color=colour, linewidth=0.5, alpha=0.3)
            values = _moving_mean(values, max(5, len(values) // 40))
        axes.plot(
            steps, values, color=colour, linewidth=1.4, label=key, marker="o" if len(values) < 20 else "", markersize=3
        )
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

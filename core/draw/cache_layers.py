"""The key-value cache layer by layer: budgets as bars, and below them, along the same layers, maps of statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

INK, QUIET, GRID = "#16181d", "#5c6068", "#e6e7ea"
_TEXT, _IMAGE, _LINE, _ABSENT = "#2f6f9f", "#e0a13c", "#b8433f", "#eceef0"
_MAP: Final = "cividis"
# Inches.
_LEFT, _RIGHT, _HEAD, _FOOT, _GAP = 1.75, 0.85, 0.42, 0.5, 0.5
_BARS, _ROW, _CELL = 2.2, 0.25, 0.4
_NARROW, _WIDE = 7.5, 15.0


@dataclass(frozen=True, slots=True)
class Budgets:
    """Entries that layers keep [layers] of `whole`; of images among them, where known [layers]; and, where all have the
    same, how many that would be."""

    kept: NDArray[np.float64]
    visual: NDArray[np.float64] | None
    uniform: float
    whole: int


@dataclass(frozen=True, slots=True)
class LayerMap:
    """Numbers [rows, layers], NaN where there is none; `apart`: each row has colours of its own."""

    title: str
    rows: Sequence[str]
    values: NDArray[np.float64]
    apart: bool = False


def draw_cache_layers(
    title: str, summary: str, layers: Sequence[int], budgets: Budgets | None, maps: Sequence[LayerMap]
) -> Figure:
    """The page; `layers` are the numbers of those that are told of, others stay empty."""
    count = max(layers) + 1
    width = min(_WIDE, max(_NARROW, _LEFT + _RIGHT + _CELL * count))
    heights = [_BARS] * (budgets is not None) + [_ROW * len(one.rows) for one in maps]
    height = _HEAD + sum(heights) + _GAP * len(heights) + _FOOT
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.text(0.25 / width, 1 - 0.3 / height, title, size=12, weight="bold", color=INK, parse_math=False)
    figure.text(0.25 / width, 1 - 0.53 / height, summary, size=8, color=QUIET, parse_math=False)
    top, span = height - _HEAD, width - _LEFT - _RIGHT
    for place, tall in enumerate(heights):
        top -= _GAP + tall
        axes = figure.add_axes((_LEFT / width, top / height, span / width, tall / height))
        if budgets is not None and place == 0:
            _draw_budgets(axes, layers, budgets)
        else:
            one = maps[place - (budgets is not None)]
            _draw_map(axes, layers, count, one, numbers=span / count >= 0.33)
            if not one.apart:
                _draw_scale(figure, axes, ((_LEFT + span + 0.12) / width, top / height, 0.1 / width, tall / height))
        axes.set_xlim(-0.5, count - 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(min(count, 16), integer=True, steps=[1, 2, 4, 5, 10]))
        axes.tick_params(labelsize=7, length=2, colors=INK)
    axes.set_xlabel("layer", size=8, color=INK)
    return figure


def _draw_budgets(axes: Axes, layers: Sequence[int], budgets: Budgets) -> None:
    text = budgets.kept if budgets.visual is None else budgets.kept - budgets.visual
    axes.bar(layers, text, width=0.72, color=_TEXT, label="kept" if budgets.visual is None else "kept, of text")
    if budgets.visual is not None:
        axes.bar(layers, budgets.visual, bottom=text, width=0.72, color=_IMAGE, label="kept, of images")
    axes.axhline(budgets.uniform, color=_LINE, linewidth=1.1, linestyle=(0, (5, 3)), label="uniform")
    # Room for the legend above the bars.
    axes.set_ylim(0, 1.25 * max(float(budgets.kept.max()), budgets.uniform))
    axes.set_ylabel(f"entries of {budgets.whole}", size=8, color=INK)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("budget", size=8.5, color=INK, loc="left")
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper right")
    whole = budgets.whole
    to_and_fro = (lambda kept: 100 * np.asarray(kept) / whole, lambda percent: np.asarray(percent) * whole / 100)
    share = axes.secondary_yaxis("right", functions=to_and_fro)
    share.set_ylabel("% of the prompt", size=8, color=INK)
    share.tick_params(labelsize=7, length=2, colors=INK)
    share.spines["right"].set_visible(False)


def _draw_map(axes: Axes, layers: Sequence[int], count: int, one: LayerMap, *, numbers: bool) -> None:
    values = np.full((len(one.rows), count), np.nan)
    values[:, list(layers)] = one.values
    shown = np.stack([_scaled(row) for row in values]) if one.apart else values
    colours = matplotlib.colormaps[_MAP].with_extremes(bad=_ABSENT)
    image = axes.imshow(shown, cmap=colours, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(one.rows)), one.rows)
    axes.set_title(one.title, size=8.5, color=INK, loc="left", parse_math=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks(np.arange(len(one.rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", axis="y", color="white", linewidth=1.0)
    axes.tick_params(which="minor", length=0)
    if not numbers:
        return
    whole = [bool((row == np.round(row))[np.isfinite(row)].all()) for row in values]
    for row, column in np.argwhere(np.isfinite(values)):
        light = float(np.mean(colours(image.norm(shown[row, column]))[:3])) > 0.5
        axes.text(column, row, _short(values[row, column], whole[row]), size=6, ha="center", va="center",
                  color=INK if light else "white")  # fmt: skip


def _draw_scale(figure: Figure, axes: Axes, place: tuple[float, float, float, float]) -> None:
    bar: Any = figure.colorbar(axes.images[0], cax=figure.add_axes(place))
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))
    bar.ax.tick_params(labelsize=6.5, length=2, colors=INK)


def _scaled(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """From its lowest, 0, to its highest, 1; in the middle where all are the same."""
    there = row[np.isfinite(row)]
    if not len(there) or np.ptp(there) < 1e-9:
        return np.where(np.isfinite(row), 0.5, np.nan)
    return np.asarray(Normalize(there.min(), there.max())(row).filled(np.nan), np.float64)


def _short(value: float, whole: bool) -> str:
    """Three digits or four: a cell has no room for more."""
    size = abs(value)
    if size >= 9999.5:
        return f"{value / 1000:.0f}k"
    return (
        f"{value:.0f}"
        if whole or size >= 99.5
        else f"{value:.1f}"
        if size >= 9.95
        else f"{value:.2f}"
        if size >= 0.995
        else f"{value:.3f}"
    )

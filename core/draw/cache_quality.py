"""What a smaller key-value cache costs: quality against the share of it that is kept, a curve for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from medpipe.core.draw.cache_layers import GRID, INK, QUIET

# Okabe and Ito, but for yellow, which is too light for a line.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_CONTROLS: Final = {"uniform": (0, (5, 2)), "random": (0, (1, 1.5))}
_WIDE, _TALL = 3.7, 4.0
# Below it a divergence is as good as none.
_LEAST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Point:
    """A method with a share of the cache's bytes: of each measure the mean and its interval, where there is one.

    `best`: no other has as few bytes and as little divergence.
    """

    method: str
    share: float
    means: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None]
    best: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """A panel: the name of the number in points, what it is called, and its axis: of powers of ten, or from 0 to 1."""

    name: str
    title: str
    powers: bool = False
    share: bool = False


def draw_cache_quality(title: str, summary: str, points: Sequence[Point], measures: Sequence[Measure]) -> Figure:
    """A panel for each measure, side by side; on a method's curve its points stand in the order of their share."""
    width = _WIDE * len(measures) + 0.3
    figure = Figure(figsize=(width, _TALL), facecolor="white")
    figure.text(0.25 / width, 1 - 0.3 / _TALL, title, size=12, weight="bold", color=INK, parse_math=False)
    figure.text(0.25 / width, 1 - 0.53 / _TALL, summary, size=8, color=QUIET, parse_math=False)
    styles = _styles(points)
    for place, measure in enumerate(measures):
        left = 0.65 + place * _WIDE
        axes = figure.add_axes((left / width, 0.95 / _TALL, (_WIDE - 0.75) / width, (_TALL - 1.85) / _TALL))
        for method, style in styles.items():
            _draw_curve(axes, [one for one in points if one.method == method], measure.name, style)
        if place == 0:
            _ring(axes, points, measure.name)
        _finish(axes, sorted({one.share for one in points}), measure)
    handles = [Line2D([], [], label=method.replace("$", r"\$"), **style) for method, style in styles.items()]
    ring = Line2D([], [], color=INK, linestyle="", marker="o", markersize=8, fillstyle="none", label="none better")
    figure.legend(handles=[*handles, ring], loc="lower center", ncols=min(len(handles) + 1, int(width / 1.3)),
                  fontsize=7.5, frameon=False)  # fmt: skip
    return figure


def _styles(points: Sequence[Point]) -> dict[str, dict[str, Any]]:
    """Of lines: controls are grey, so that one sees what they are held against; one point alone is no line."""
    shares: dict[str, set[float]] = {}
    for one in points:
        shares.setdefault(one.method, set()).add(one.share)
    others = [method for method in shares if method not in _CONTROLS]
    colours = {method: _COLOURS[place % len(_COLOURS)] for place, method in enumerate(others)}
    return {
        method: {"color": colours.get(method, QUIET), "linewidth": 1.4, "markersize": 3.5 if len(found) > 1 else 5,
                 "marker": "o" if len(found) > 1 else "D",
                 "linestyle": _CONTROLS.get(method, "solid") if len(found) > 1 else ""}
        for method, found in shares.items()
    }  # fmt: skip


def _draw_curve(axes: Axes, points: Sequence[Point], name: str, style: dict[str, Any]) -> None:
    told = sorted((one.share, mean, one.intervals.get(name)) for one in points if (mean := one.means[name]) is not None)
    if not told:
        return
    shares, means = [one[0] for one in told], [one[1] for one in told]
    axes.plot(shares, means, **style)
    ends = np.array([one[2] or (one[1], one[1]) for one in told])
    if len(told) > 1:
        axes.fill_between(shares, ends[:, 0], ends[:, 1], color=style["color"], alpha=0.1, linewidth=0)
    else:
        axes.vlines(shares, ends[:, 0], ends[:, 1], color=style["color"], linewidth=0.8)


def _ring(axes: Axes, points: Sequence[Point], name: str) -> None:
    best = [(one.share, mean) for one in points if one.best and (mean := one.means[name]) is not None]
    axes.plot([one[0] for one in best], [one[1] for one in best], linestyle="", marker="o", markersize=8,
              color=INK, fillstyle="none", markeredgewidth=0.8)  # fmt: skip


def _finish(axes: Axes, shares: Sequence[float], measure: Measure) -> None:
    axes.set_title(measure.title, size=9, color=INK, loc="left")
    axes.set_xscale("log")
    axes.set_xlim(0.88 * shares[0], max(1.12 * shares[-1], 1.12))
    axes.xaxis.set_major_locator(FixedLocator(_apart([*shares, 1.0])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.2g}")
    axes.set_xlabel("share of the cache's bytes that is kept", size=8, color=INK)
    if measure.powers:
        axes.set_yscale("symlog", linthresh=_LEAST, linscale=0.5)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(bottom=0)
    if measure.share:
        axes.set_ylim(0, 1.03)
    axes.grid(color=GRID, linewidth=0.6)
    axes.tick_params(labelsize=7, length=2, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _apart(shares: Sequence[float]) -> list[float]:
    """Those whose names have room beside each other, the highest first."""
    told: list[float] = []
    for share in sorted(shares, reverse=True):
        if not told or told[-1] / share > 1.25:
            told.append(share)
    return told

"""Scores as horizontal bars beside a picture."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

PANEL_MM = 66.0
_SHOWN = 12
_LONGEST = 34
_BAR, _RAIL = "#2f6f9f", "#e4e7ea"
_INK, _QUIET = "#16181d", "#5c6068"
_STEP_MM = 7.4


def draw_scores(
    figure: Figure, scores: Mapping[str, float], kind: str | None, *, left_mm: float, height_mm: float
) -> None:
    """The highest scores first; probabilities on a rail from 0 to 1, others as numbers alone."""
    total = float(figure.get_size_inches()[0]) * 25.4
    axes = figure.add_axes((left_mm / total, 0, PANEL_MM / total, 1))
    axes.set_xlim(0, PANEL_MM)
    axes.set_ylim(0, height_mm)
    axes.axis("off")
    top, right = height_mm - 4.0, PANEL_MM - 8.0
    axes.text(0, top, kind or "score", va="top", size=7.5, weight="bold", color=_QUIET, parse_math=False)
    ordered = sorted(scores.items(), key=lambda one: -one[1])
    room = max(1, min(_SHOWN, int((height_mm - 18) / _STEP_MM)))
    for place, (name, value) in enumerate(ordered[:room]):
        y = top - 9.0 - place * _STEP_MM
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
        axes.text(0, y, shown, size=7, color=_INK, va="bottom", parse_math=False)
        axes.text(right, y, f"{value:.2f}", size=7, color=_INK, va="bottom", ha="right", parse_math=False)
        if kind == "probability":
            axes.barh(y - 0.9, right, height=1.5, color=_RAIL, align="center")
            axes.barh(y - 0.9, right * min(1.0, max(0.0, value)), height=1.5, color=_BAR, align="center")
    if len(ordered) > room:
        rest = f"and {len(ordered) - room} lower"
        axes.text(0, top - 9.0 - room * _STEP_MM, rest, size=6.5, color=_QUIET, va="bottom", parse_math=False)

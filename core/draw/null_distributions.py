"""What chance gives, each null on a line of its own, and what was observed across them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from medpipe.core.metrics.text.metric import Array
from medpipe.core.metrics.text.story_nulls import Null

_INK, _QUIET, _OBSERVED = "#16181d", "#5c6068", "#D55E00"
# Okabe and Ito.
_COLOURS: Final = {"shift": "#56B4E9", "shuffle": "#0072B2"}
_OTHER: Final = "#009E73"
# Of fewer scores each is a dot.
_FEW: Final = 60
_BINS: Final = 40


def draw_null_distributions(
    axes: Axes, nulls: Mapping[str, Null], metric: str, observed: float, *, chance: float
) -> None:
    """Histograms, or dots where a null has few scores, with p beside them; higher is the better."""
    shown = {name: null for name, null in nulls.items() if np.isfinite(null.scores[metric]).all()}
    values = np.concatenate([[observed, chance], *(null.scores[metric] for null in shown.values())])
    low, high = float(values.min()), float(values.max())
    # What is said stands on the side where what was observed does not.
    better = observed > (low + high) / 2
    room = 0.06 * (high - low or 1.0)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(len(shown) - 0.05, -0.3)
    axes.axvline(chance, color=_QUIET, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    axes.axvline(observed, color=_OBSERVED, linewidth=1.8, zorder=4)
    for place, (name, null) in enumerate(shown.items()):
        _draw_null(axes, name, null.scores[metric], place + 0.8, (low, high))
        judged = null.judge(metric, observed)
        p = f"    p {judged['p']:.4f}, n {null.facts['n']}" if judged is not None else ""
        axes.text(0 if better else 1, place + 0.06, describe_null(name, null) + p, size=7.5, color=_INK, va="center",
                  ha="left" if better else "right", transform=axes.get_yaxis_transform(), parse_math=False, zorder=5,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip
    # One above the other, since they may be near.
    said: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "va": "bottom",
        "ha": "center",
    }
    axes.annotate(f"decoded {observed:.3f}", (observed, 1), (0, 11), size=8, weight="bold", color=_OBSERVED, **said)
    axes.annotate(f"chance {chance:g}", (chance, 1), (0, 1), size=7, color=_QUIET, **said)
    axes.set_yticks([])
    axes.tick_params(labelsize=7, color=_QUIET)
    axes.spines[["top", "left", "right"]].set_visible(False)


def describe_null(name: str, null: Null) -> str:
    """A null's name, and what it does."""
    if name == "shift":
        return f"shifted by more than {null.facts['least']:g} s"
    if name == "shuffle":
        block = null.facts["block"]
        return "shuffled" if block == 1 else f"shuffled in blocks of {block} windows"
    return name if len(name) <= 32 else f"{name[:31]}\N{HORIZONTAL ELLIPSIS}"


def _draw_null(axes: Axes, name: str, scores: Array, base: float, ends: tuple[float, float]) -> None:
    colour = _COLOURS.get(name, _OTHER)
    axes.axhline(base, color=_QUIET, linewidth=0.5, zorder=2)
    edges = np.linspace(*ends, _BINS + 1) if ends[1] > ends[0] else np.array([ends[0] - 0.5, ends[0] + 0.5])
    counts = np.histogram(scores, edges)[0]
    if len(scores) < _FEW:
        # Equal scores stand on each other.
        bins = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, len(edges) - 2)
        height = min(0.09, 0.5 / counts.max())
        heights = [int((bins[:k] == bins[k]).sum()) for k in range(len(scores))]
        axes.scatter(scores, base - 0.06 - height * np.array(heights), s=16, color=colour, linewidths=0, zorder=3)
        return
    axes.stairs(base - 0.55 * counts / counts.max(), edges, baseline=base, fill=True, color=colour, zorder=3)

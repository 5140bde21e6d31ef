"""The identification matrix: how much each decoded text is like the true text of every window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from medpipe.core.draw.shared_words import clock, printable
from medpipe.core.metrics.text.identification import Similarity
from medpipe.core.metrics.text.metric import Array
from medpipe.core.metrics.text.scored_story import ScoredStory

_INK, _QUIET, _OWN = "#16181d", "#5c6068", "#D55E00"
# Cells are outlined up to so many windows; of more, the diagonal runs between two lines.
_OUTLINED: Final = 80
MOST: Final = 1000


def draw_similarity_matrix(axes: Axes, stories: Sequence[ScoredStory], similarity: Similarity, name: str) -> None:
    """Decoded windows down, true windows across, those of one story together; its own window outlined.

    A dot marks the window of its story that a text is most like, where no other is as alike.
    """
    found = [text for one in stories for text in one.story.found[0]]
    true = [text for one in stories for text in one.story.true]
    alike = similarity(found, true)
    # A pair that is alike by far, or not at all, must not take all the colour.
    low, high = (float(end) for end in np.quantile(alike, (0.01, 0.995)))
    low, high = (low, high) if high > low else (0.0, high or 1.0)
    picture = axes.imshow(alike, cmap="Blues", vmin=low, vmax=high, interpolation="nearest")
    bar = axes.figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.03, extend="both")
    bar.set_label(name, size=7.5, color=_QUIET)
    bar.ax.tick_params(labelsize=7, color=_QUIET)
    bar.outline.set_visible(False)
    ends = np.cumsum([one.windows for one in stories])
    _mark(axes, alike, [0, *ends.tolist()])
    axes.set_xlabel("true window", size=8, color=_INK)
    axes.set_ylabel("decoded window", size=8, color=_INK)
    axes.tick_params(labelsize=7, color=_QUIET)
    for spine in axes.spines.values():
        spine.set_color(_QUIET)
        spine.set_linewidth(0.5)
    if len(stories) > 1:
        _name_stories(axes, stories, ends)
    elif stories[0].story.times is not None:
        _tell_times(axes, stories[0].story.times)


def explain_marks(stories: Sequence[ScoredStory]) -> str:
    """What the marks of such a matrix are."""
    few = sum(one.windows for one in stories) <= _OUTLINED
    own = "outlined: its own window    dot: the most alike" if few else "between the lines: its own window"
    return own + ("    black: stories" if len(stories) > 1 else "")


def _mark(axes: Axes, alike: Array, edges: Sequence[int]) -> None:
    windows = len(alike)
    for start, end in pairwise(edges):
        if len(edges) > 2:
            axes.add_patch(Rectangle((start - 0.5, start - 0.5), end - start, end - start, fill=False,
                                     edgecolor=_INK, linewidth=1.0, zorder=4))  # fmt: skip
        block = alike[start:end, start:end]
        highest = block == block.max(axis=1, keepdims=True)
        rows = np.flatnonzero(highest.sum(axis=1) == 1)
        if windows <= _OUTLINED and end - start > 1:
            columns = highest[rows].argmax(axis=1)
            axes.scatter(start + columns, start + rows, s=_dot(windows), color=_OWN, linewidths=0, zorder=5)
    if windows <= _OUTLINED:
        for k in range(windows):
            axes.add_patch(Rectangle((k - 0.5, k - 0.5), 1, 1, fill=False, edgecolor=_OWN, linewidth=0.9, zorder=3))
        return
    aside = max(1.0, windows / 60)
    ends = np.array([-0.5, windows - 0.5])
    for shift in (-aside, aside):
        axes.plot(ends + shift, ends, color=_OWN, linewidth=0.8, scalex=False, scaley=False)


def _dot(windows: int) -> float:
    """Square points: a third of a cell of a matrix of some four inches."""
    return float(min(40.0, max(1.5, (90.0 / windows) ** 2)))


def _name_stories(axes: Axes, stories: Sequence[ScoredStory], ends: Any) -> None:
    middles = ends - np.array([one.windows for one in stories]) / 2 - 0.5
    # Names that would stand on each other are left out.
    step = max(1, len(stories) // 12)
    names = [printable(one.story.name) for one in stories]
    names = [name if len(name) <= 14 else f"{name[:13]}\N{HORIZONTAL ELLIPSIS}" for name in names]
    axes.set_xticks([])
    axes.set_yticks(middles[::step], names[::step], parse_math=False)
    axes.tick_params(length=0)


def _tell_times(axes: Axes, times: Array) -> None:
    places = [int(k) for k in MaxNLocator(7, integer=True).tick_values(0, len(times) - 1) if 0 <= k < len(times)]
    names = [clock(float(times[k])) for k in places]
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)

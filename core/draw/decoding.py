"""Decoded stories on one page: the identification matrix, the nulls, and the text along time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medpipe.core.draw.null_distributions import draw_null_distributions
from medpipe.core.draw.similarity_matrix import MOST, draw_similarity_matrix, explain_marks
from medpipe.core.draw.transcript import INK, QUIET, Row, draw_transcript, lay_out
from medpipe.core.metrics.text.identification import Similarity
from medpipe.core.metrics.text.means import mean
from medpipe.core.metrics.text.scored_story import ScoredStory
from medpipe.core.metrics.text.story_nulls import Null

PANELS: Final = ("matrix", "null", "text")
_METRIC: Final = "identification"
_WIDE, _NARROW, _MARGIN = 10.5, 6.6, 0.45
_HEAD, _ABOVE, _HEADING, _FOOT = 0.85, 4.75, 0.45, 0.35
# Of a page: longer pictures are read by nobody, and the page of HTML has no end.
_TALLEST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Decoding:
    """Stories that were scored by identification, the nulls of all of them together, and by what texts are alike."""

    stories: Sequence[ScoredStory]
    nulls: Mapping[str, Null]
    similarity: Similarity
    similarity_name: str

    def score(self, metric: str = _METRIC) -> float:
        """The mean over all windows; NaN where it is undefined."""
        return mean(np.concatenate([one.values[0][metric] for one in self.stories]))

    def summary(self) -> list[str]:
        """What was found, in parts of a line; without a null they say so."""
        windows = sum(one.windows for one in self.stories)
        said = [f"{windows} window{'s' if windows != 1 else ''}"]
        if len(self.stories) > 1:
            said.insert(0, f"{len(self.stories)} stories")
        score = self.score()
        if not np.isfinite(score):
            return [*said, "no window has another in its story: nothing to identify"]
        said += [f"identified {score:.3f} (chance 0.5)", f"first {self.score('identification_top1'):.3f}"]
        judged = {name: null.judge(_METRIC, score) for name, null in self.nulls.items()}
        ps = [f"p {one['p']:.4f} ({name[:40]})" for name, one in judged.items() if one is not None]
        return [*said, *(ps or ["uncontrolled: no null"])]


def draw_decoding(decoding: Decoding, title: str, panels: Sequence[str] = PANELS, begin: float = -np.inf) -> Figure:
    """The page.

    Args:
        decoding: what was decoded.
        title: heading.
        panels: of PANELS, what to draw.
        begin: the text begins with the windows of this second.

    Raises ValueError where no window is as late as `begin`.
    """
    above = [name for name in ("matrix", "null") if name in panels]
    width = _WIDE if "text" in panels or len(above) > 1 else _NARROW
    rows, more = _fit(decoding.stories, width - 2 * _MARGIN, begin) if "text" in panels else ([], 0)
    below = _HEADING + sum(row.height for row in rows) + _FOOT if rows else 0.0
    summary = _lines(decoding.summary(), int(width * 13))
    head = _HEAD + 0.17 * (len(summary) - 1)
    height = head + (_ABOVE if above else 0.0) + below
    figure = Figure(figsize=(width, height), facecolor="white")
    _head(figure, title, summary)
    for place, name in enumerate(above):
        # A matrix is square and has its bar; the nulls take what is left.
        left = _MARGIN + 0.25 + place * 5.75
        span = 5.0 if name == "matrix" else width - left - _MARGIN
        axes = figure.add_axes((left / width, 1 - (head + 4.05) / height, span / width, 3.85 / height))
        _draw_above(axes, name, decoding)
    if rows:
        _draw_text(figure, decoding, rows, more, below)
    return figure


def count_late(stories: Sequence[ScoredStory], begin: float) -> int:
    """How many windows begin at `begin` seconds or later, all of a story without times; ValueError where none does."""
    late = sum(one.windows if one.story.times is None else int((one.story.times >= begin).sum()) for one in stories)
    if not late:
        raise ValueError(f"no window begins at {begin:g} s or later")
    return late


def _head(figure: Figure, title: str, summary: Sequence[str]) -> None:
    width, height = figure.get_size_inches()
    title = " ".join(title.split())
    most = int(width * 9)
    title = title if len(title) <= most else f"{title[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    figure.text(_MARGIN / width, 1 - 0.36 / height, title, size=12, weight="bold", color=INK, parse_math=False)
    for place, line in enumerate(summary):
        base = 1 - (0.6 + 0.17 * place) / height
        figure.text(_MARGIN / width, base, line, size=8, color=QUIET, parse_math=False)


def _lines(parts: Sequence[str], most: int) -> list[str]:
    """Parts beside each other, in lines of about `most` letters."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) > most:
            lines.append(part)
        else:
            lines[-1] += f"    {part}"
    return lines


def _draw_above(axes: Axes, name: str, decoding: Decoding) -> None:
    score = decoding.score()
    if name == "matrix":
        stories = _first(decoding.stories)
        draw_similarity_matrix(axes, stories, decoding.similarity, decoding.similarity_name)
        left_out = len(decoding.stories) - len(stories)
        said = explain_marks(stories) + (f"    {left_out} stories more" if left_out else "")
        axes.set_title(said, size=7.5, color=QUIET, loc="left")
    elif decoding.nulls and np.isfinite(score):
        draw_null_distributions(axes, decoding.nulls, _METRIC, score, chance=0.5)
        axes.set_xlabel("identification: share of the other windows that are less alike", size=8, color=INK)
    else:
        axes.axis("off")
        axes.text(0.5, 0.5, "no null says what this is worth", size=9, color=QUIET, ha="center")


def _first(stories: Sequence[ScoredStory]) -> Sequence[ScoredStory]:
    """As many as a matrix shows, and one at least."""
    ends = np.cumsum([one.windows for one in stories])
    return stories[: max(1, int(np.searchsorted(ends, MOST, "right")))]


def _fit(stories: Sequence[ScoredStory], width: float, begin: float) -> tuple[list[Row], int]:
    """The rows that a page takes, and how many it does not."""
    late = count_late(stories, begin)
    rows: list[Row] = []
    taken = 0.0
    for row in lay_out(stories, width, begin):
        taken += row.height
        if rows and taken > _TALLEST:
            break
        rows.append(row)
    return rows, late - len(rows)


def _draw_text(figure: Figure, decoding: Decoding, rows: Sequence[Row], more: int, below: float) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((_MARGIN / width, 0, 1 - 2 * _MARGIN / width, below / height))
    axes.set_xlim(0, width - 2 * _MARGIN)
    axes.set_ylim(below - _HEADING, -_HEADING)
    axes.axis("off")
    timed = all(one.story.times is not None for one in decoding.stories)
    draw_transcript(axes, rows, width - 2 * _MARGIN, timed=timed)
    said = "blue: in both texts of a window; bold: and not in most windows of the story"
    if more:
        said += f"    {more} windows more: --from SECONDS, --record STORY, or a page of HTML"
    axes.text(0, below - _HEADING - 0.12, said, size=7, color=QUIET, va="baseline", clip_on=False)

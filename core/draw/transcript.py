"""Decoded text beside the true text, a row for each window, in the order of time."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.patches import Rectangle

from medpipe.core.draw.shared_words import Mark, clock, common_words, mark_words, printable
from medpipe.core.metrics.text.means import mean
from medpipe.core.metrics.text.scored_story import ScoredStory

Line = list[tuple[str, Mark]]

INK, QUIET, BAND = "#16181d", "#5c6068", "#f5f6f8"
_COLOURS: Final = {Mark.alone: INK, Mark.common: "#4a7aa3", Mark.telling: "#0060a0"}
_RAIL, _BAR = "#dfe2e6", "#D55E00"
_SIZE, _LINE, _PAD, _HEADING = 7.5, 0.15, 0.07, 0.34
# Inches: of the time, of what stands between columns, of the bars on the right.
_TIME, _GAP, _BARS = 0.62, 0.22, 1.25
_LONGEST_CELL: Final = 40
# Fonts that have what the usual one lacks, where they are installed.
_MORE_FONTS: Final = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans", "Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A window: a heading where one of several stories begins, time or number, lines of both texts, and its rank."""

    story: str | None
    time: str
    true: list[Line]
    found: list[Line]
    rank: float

    @property
    def height(self) -> float:
        """Inches."""
        lines = max(1, len(self.true), len(self.found))
        return lines * _LINE + 2 * _PAD + (_HEADING if self.story is not None else 0.0)


def lay_out(stories: Sequence[ScoredStory], width: float, begin: float) -> Iterator[Row]:
    """Rows of a page of `width` inches, of the windows from `begin` seconds on."""
    column = (width - _TIME - 2 * _GAP - _BARS) / 2
    for one in stories:
        story, common = one.story, common_words(one.story.true)
        heading = _heading(one) if len(stories) > 1 else None
        for place, (true, found) in enumerate(zip(story.true, story.found[0], strict=True)):
            if story.times is not None and story.times[place] < begin:
                continue
            told, said = (_wrap(mark_words(*pair, common), column) for pair in ((true, found), (found, true)))
            time = str(place + 1) if story.times is None else clock(float(story.times[place]))
            yield Row(heading, time, told, said, float(one.values[0]["identification"][place]))
            heading = None


def draw_transcript(axes: Axes, rows: Sequence[Row], width: float, *, timed: bool) -> None:
    """Rows on axes in inches, downwards from 0, with a heading above them."""
    column = (width - _TIME - 2 * _GAP - _BARS) / 2
    lefts = (0.0, _TIME, _TIME + column + _GAP, width - _BARS)
    for left, said in zip(lefts, ("time" if timed else "window", "true", "decoded", "identified"), strict=True):
        axes.text(left, -0.07, said, size=_SIZE, weight="bold", color=QUIET, va="bottom")
    axes.hlines(0, 0, width, colors=QUIET, linewidths=0.6)
    top = 0.0
    for place, row in enumerate(rows):
        bottom = top + row.height
        if row.story is not None:
            top += _HEADING
            axes.text(0, top - 0.09, row.story, size=9, weight="bold", color=INK, va="bottom", parse_math=False)
        if place % 2 == 0:
            axes.add_patch(Rectangle((-0.08, top), width + 0.16, bottom - top, color=BAND, linewidth=0, zorder=0))
        axes.text(0, top + _PAD + 0.75 * _LINE, row.time, size=_SIZE, color=QUIET, va="baseline")
        _draw_cell(axes, row.true, lefts[1], top)
        _draw_cell(axes, row.found, lefts[2], top)
        _draw_rank(axes, row.rank, lefts[3], top + _PAD + _LINE / 2)
        top = bottom


def _draw_cell(axes: Axes, lines: Sequence[Line], left: float, top: float) -> None:
    if not lines:
        axes.text(left, top + _PAD + 0.75 * _LINE, "no words", size=_SIZE, color=QUIET, style="italic", va="baseline")
    families = _families()
    for place, line in enumerate(lines):
        x, base = left, top + _PAD + (place + 0.75) * _LINE
        for mark, run in groupby(line, key=lambda one: one[1]):
            said = " ".join(word for word, _ in run)
            axes.text(
                x, base, said, size=_SIZE, color=_COLOURS[mark], va="baseline", parse_math=False,
                weight="bold" if mark is Mark.telling else "normal", family=families,
            )  # fmt: skip
            x += _width(said, bold=mark is Mark.telling) + _width(" ", bold=False)


def _draw_rank(axes: Axes, rank: float, left: float, middle: float) -> None:
    """The share of the other windows that are less like the text: a bar, half of it by chance."""
    if not np.isfinite(rank):
        return
    length, half = _BARS - 0.42, 0.035
    axes.add_patch(Rectangle((left, middle - half), length, 2 * half, color=_RAIL, linewidth=0))
    axes.add_patch(Rectangle((left, middle - half), length * rank, 2 * half, color=_BAR, linewidth=0))
    axes.vlines(left + length / 2, middle - 0.06, middle + 0.06, colors=QUIET, linewidths=0.7)
    axes.text(left + length + 0.08, middle, f"{rank:.2f}", size=_SIZE, color=INK, va="center_baseline")


def _wrap(words: Sequence[tuple[str, Mark]], width: float) -> list[Line]:
    """Lines of at most `width` inches; a word that is longer than a line is broken."""
    lines: list[Line] = []
    room = 0.0
    space = _width(" ", bold=False)
    for word, mark in words:
        for part in _broken(word, width, bold=mark is Mark.telling):
            needed = _width(part, bold=mark is Mark.telling)
            if not lines or needed > room:
                if len(lines) == _LONGEST_CELL:
                    lines[-1].append(("\N{HORIZONTAL ELLIPSIS}", Mark.alone))
                    return lines
                lines.append([])
                room = width
            lines[-1].append((part, mark))
            room -= needed + space
    return lines


def _broken(word: str, width: float, *, bold: bool) -> Iterator[str]:
    while _width(word, bold=bold) > width:
        widths = np.cumsum([_width(letter, bold=bold) for letter in word])
        count = max(1, int(np.searchsorted(widths, width, "right")))
        yield word[:count]
        word = word[count:]
    yield word


@lru_cache(maxsize=1 << 14)
def _width(text: str, *, bold: bool) -> float:
    """Inches; letters of East Asia are as wide as they are high, and the boxes that stand for them a fifth wider."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    narrow = "".join(letter for letter in text if unicodedata.east_asian_width(letter) not in "WF")
    em = _SIZE if len(_families()) > 1 else 1.2 * _SIZE
    # Between two letters, since what is measured is ink, and a text has room before and after.
    return _ink(f"n{narrow}n", bold=bold) - _ink("nn", bold=bold) + wide * em / 72


def _ink(text: str, *, bold: bool) -> float:
    font = get_font(findfont(FontProperties(weight="bold" if bold else "normal")))
    font.set_size(_SIZE, 72)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    return float(font.get_width_height()[0]) / 64 / 72


@lru_cache(maxsize=1)
def _families() -> list[str]:
    installed = {font.name for font in fontManager.ttflist}
    return ["sans-serif", *(name for name in _MORE_FONTS if name in installed)]


def _heading(one: ScoredStory) -> str:
    name = printable(one.story.name)
    name = name if len(name) <= 60 else f"{name[:59]}\N{HORIZONTAL ELLIPSIS}"
    score = mean(one.values[0]["identification"])
    return f"{name}    identified {score:.3f}" if np.isfinite(score) else name

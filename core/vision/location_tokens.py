"""Boxes as Florence-2 writes them: a label, then four location tokens for each box, a thousand bins a side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 1000
_TOKEN: Final = re.compile(r"<loc_(\d+)>")
_MARKS: Final = re.compile(r"</?(?:s|pad|unk|mask)>")
Bins = tuple[int, int, int, int]


@dataclass(slots=True)
class Parsed:
    """Boxes of a text as (label, bins), and how many groups of tokens were none, by what was wrong with them.

    `places` tell for each box the number of its first token among all location tokens of the text.
    """

    boxes: list[tuple[str, Bins]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, why: str) -> None:
        """Count one."""
        self.dropped[why] = self.dropped.get(why, 0) + 1


def quantise(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes [n, 4] in pixels of an input of `size` (width, height) -> bins 0 to 999; the far edge is 999, not 1000."""
    sides = np.array(size * 2, np.float64)
    return np.clip(np.floor(np.asarray(boxes, np.float64) / sides * BINS), 0, BINS - 1).astype(np.int64)


def centres(bins: Iterable[Sequence[int]], size: tuple[int, int]) -> NDArray[np.float64]:
    """Bins [n, 4] -> the middles of the bins in pixels of an input of `size` (width, height).

    A box within one bin is as wide as the bin: it has an area.
    """
    sides = np.array(size * 2, np.float64)
    places = np.array(list(bins), np.float64).reshape(-1, 4)
    within = 0.5 * (places[:, :2] == places[:, 2:])
    found: NDArray[np.float64] = (places + 0.5 + np.hstack([-within, within])) * sides / BINS
    return found


def written(label: str, bins: Iterable[Sequence[int]]) -> str:
    """The text of a label with its boxes: what a model is trained to answer."""
    return label + "".join(f"<loc_{place}>" for box in bins for place in box)


def parse(text: str) -> Parsed:
    """The boxes of an answer; nothing is dropped without being counted.

    `inverted`: the second corner lies before the first; `incomplete`: tokens that are not four; `unlabelled`: no
    words before them; `out_of_range`: a number beyond 999.
    """
    found = Parsed()
    plain = _MARKS.sub("", text)
    label = ""
    place = tokens = 0
    while match := _TOKEN.search(plain, place):
        label = plain[place : match.start()].strip() or (label if place else "")
        run = []
        while match is not None:
            run.append(int(match[1]))
            place = match.end()
            match = _TOKEN.match(plain, place)
        _take(found, label, run, tokens)
        tokens += len(run)
    return found


def _take(found: Parsed, label: str, run: list[int], before: int) -> None:
    """A run of location tokens after one label, `before` of them in the text already."""
    if len(run) % 4:
        found.drop("incomplete")
    for start in range(0, len(run) - len(run) % 4, 4):
        left, top, right, bottom = run[start : start + 4]
        if not label:
            found.drop("unlabelled")
        elif max(left, top, right, bottom) >= BINS:
            found.drop("out_of_range")
        elif right < left or bottom < top:
            found.drop("inverted")
        else:
            found.boxes.append((label, (left, top, right, bottom)))
            found.places.append(before + start)

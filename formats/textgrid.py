"""Praat's TextGrid files, long and short, in any of Praat's encodings.

What counts in both is the same sequence of free-standing numbers, quoted texts and flags; the rest is decoration
(https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medpipe.formats.errors import FormatError

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(<\w+>|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)|(?<!\S)![^\n]*')
_DAMAGED = "the TextGrid ends early or is damaged"


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: its name, and onset and offset in seconds with the text of each interval; points have one time."""

    name: str
    intervals: list[tuple[float, float, str]]


def parse_textgrid(text: str) -> tuple[float, list[Tier]]:
    """The end in seconds and the tiers of a TextGrid. FormatError when it is damaged."""
    tokens = _tokens(text)
    try:
        # `ooTextFile short` in older versions of the short form.
        if not next(tokens).startswith("ooTextFile") or next(tokens) != "TextGrid":
            raise FormatError("bad-textgrid", "the file is no TextGrid in text form")
        _number(next(tokens))
        end = _number(next(tokens))
        count = int(_number(next(tokens))) if next(tokens) == "<exists>" else 0
        return end, [_tier(tokens) for _ in range(count)]
    except StopIteration:
        raise FormatError("bad-textgrid", _DAMAGED) from None


def _tokens(text: str) -> Iterator[str]:
    for found in _TOKEN.finditer(text):
        if found[1] is not None:
            yield found[1].replace('""', '"')
        elif found[2] is not None:
            yield found[2]


def _tier(tokens: Iterator[str]) -> Tier:
    kind, name = next(tokens), next(tokens)
    if kind not in ("IntervalTier", "TextTier"):
        raise FormatError("bad-textgrid", _DAMAGED)
    next(tokens), next(tokens)
    intervals = []
    for _ in range(int(_number(next(tokens)))):
        onset = _number(next(tokens))
        offset = _number(next(tokens)) if kind == "IntervalTier" else onset
        intervals.append((onset, offset, next(tokens)))
    return Tier(name, intervals)


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        raise FormatError("bad-textgrid", _DAMAGED) from None

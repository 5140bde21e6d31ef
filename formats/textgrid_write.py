"""Praat's TextGrid in its long form, UTF-8: tiers of intervals that touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Interval = tuple[float, float, str]
# What aligners write where nobody speaks.
SILENCE = "sp"


def text_grid(seconds: float, tiers: Mapping[str, Iterable[Interval]]) -> str:
    """The text of a file of `seconds` with these tiers, gaps filled with silence.

    Args:
        seconds: length of the sound.
        tiers: name to intervals in order: start, end and text. None overlap, none lie outside.
    """
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds:.10g}",
        "tiers? <exists>", f"size = {len(tiers)}", "item []:",
    ]  # fmt: skip
    for place, (name, given) in enumerate(tiers.items(), start=1):
        lines += _tier(place, name, _filled(list(given), seconds), seconds)
    return "\n".join(lines) + "\n"


def _tier(place: int, name: str, intervals: Sequence[Interval], seconds: float) -> list[str]:
    lines = [
        f"    item [{place}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}",
        "        xmin = 0", f"        xmax = {seconds:.10g}", f"        intervals: size = {len(intervals)}",
    ]  # fmt: skip
    for number, (start, end, text) in enumerate(intervals, start=1):
        lines += [
            f"        intervals [{number}]:", f"            xmin = {start:.10g}", f"            xmax = {end:.10g}",
            f"            text = {_quoted(text)}",
        ]  # fmt: skip
    return lines


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _filled(intervals: list[Interval], seconds: float) -> list[Interval]:
    """The intervals with silence before, between and after them."""
    made: list[Interval] = []
    reached = 0.0
    for start, end, text in intervals:
        if start > reached:
            made.append((reached, start, SILENCE))
        made.append((start, end, text))
        reached = end
    if reached < seconds:
        made.append((reached, seconds, SILENCE))
    return made

"""Praat TextGrids made for tests, with a tier of phones and a tier of words."""

from __future__ import annotations

WORDS = [(0.3, 0.9, "so"), (1.5, 2.7, "I"), (4.0, 5.0, "reached"), (5.0, 5.4, "\u00fcber"), (11.0, 11.9, 'a "door"')]
PHONES = [(0.3, 0.5, "HH"), (0.5, 0.9, "AH0")]
_END = 30


def _tiers(words: list[tuple[float, float, str]]) -> list[tuple[str, list[tuple[float, float, str]]]]:
    return [("phone", PHONES), ("word", words)]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def long_textgrid(words: list[tuple[float, float, str]] | None = None) -> str:
    """The long form, labels and indices beside every value."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {_END}"]
    lines += ["tiers? <exists>", "size = 2", "item []:"]
    for number, (name, intervals) in enumerate(_tiers(WORDS if words is None else words), 1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {_END}", f"        intervals: size = {len(intervals)}"]
        for place, (onset, offset, text) in enumerate(intervals, 1):
            lines += [f"        intervals [{place}]:", f"            xmin = {onset}", f"            xmax = {offset}"]
            lines += [f"            text = {_quoted(text)} "]
    return "\n".join(lines) + "\n"


def short_textgrid(words: list[tuple[float, float, str]] | None = None) -> str:
    """The short form, values alone."""
    lines = ['File type = "ooTextFile short"', '"TextGrid"', "", "0", str(_END), "<exists>", "2"]
    for name, intervals in _tiers(WORDS if words is None else words):
        lines += ['"IntervalTier"', _quoted(name), "0", str(_END), str(len(intervals))]
        for onset, offset, text in intervals:
            lines += [str(onset), str(offset), _quoted(text)]
    return "\n".join(lines) + "\n"

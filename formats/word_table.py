"""Tables of words and their times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from medpipe.formats.errors import FormatError

_WORD, _ONSET = ("word", "text", "value"), ("onset", "start", "xmin")


@dataclass(frozen=True, slots=True)
class WordTable:
    """Words in the order of their onsets, in seconds, none below 0."""

    words: tuple[str, ...]
    onsets: tuple[float, ...]


def read_word_table(path: str) -> WordTable:
    """The columns `word` and `onset` of a tab-separated file; words in lower case.

    Raises:
        FormatError: it is missing, or no such table.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise FormatError("missing-file", "no such file") from None
    except IsADirectoryError:
        raise FormatError("unknown-format", "a folder, where a table of words is wanted") from None
    except UnicodeDecodeError:
        raise FormatError("unknown-format", "not UTF-8: a table needs the columns word and onset, in tabs") from None
    except OSError as error:
        raise FormatError("unreadable", f"cannot be read: {error.strerror}") from None
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    if not rows:
        raise FormatError("empty", "the table of words is empty")
    names = [name.strip().lower() for name in rows[0]]
    word, onset = _place(names, _WORD), _place(names, _ONSET)
    pairs = [_pair(number, row, word, onset) for number, row in enumerate(rows[1:], start=2)]
    if not pairs:
        raise FormatError("empty", "the table holds no word")
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(pairs)):
        raise FormatError("bad-value", "the onsets do not increase from word to word")
    return WordTable(tuple(said for _, said in pairs), tuple(time for time, _ in pairs))


def _place(names: list[str], wanted: tuple[str, ...]) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    raise FormatError("missing-column", f"the table has no column {wanted[0]}, in tabs")


def _pair(number: int, row: list[str], word: int, onset: int) -> tuple[float, str]:
    try:
        time, said = float(row[onset]), row[word].strip().lower()
    except (IndexError, ValueError):
        raise FormatError("bad-value", f"line {number} has no onset and word") from None
    if not math.isfinite(time) or time < 0 or not said:
        raise FormatError("bad-value", f"line {number}: the onset is no time from 0 on, or there is no word")
    return time, said

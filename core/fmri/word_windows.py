"""Words and responses side by side: which words belong to a volume, and which volumes make a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# What transcribers of the Huth lab's stories write that is no word (doi:10.1038/s41597-023-02437-z).
_NO_WORDS = frozenset({"", "sentence_start", "sentence_end", "br", "lg", "ls", "ns", "sp"})


def spoken(text: str) -> str:
    """A word in lower case, empty for marks of breath, laughter, noise and silence."""
    plain = text.strip().strip("{}").strip().lower()
    return "" if plain in _NO_WORDS else plain


def row_texts(words: Sequence[str], times: Sequence[float], starts: NDArray[np.float64], tr: float) -> list[str]:
    """The words of each row of responses, with blanks between.

    Args:
        words: in their order.
        times: of each, s.
        starts: when each row begins, s; increasing, at least `tr` apart.
        tr: how long a row lasts, s.
    """
    rows: list[list[str]] = [[] for _ in starts]
    # A volume's end is the next one's beginning, whatever the last digit of either says.
    places = np.searchsorted(starts, np.asarray(times) + 1e-9, side="right") - 1
    for word, time, place in zip(words, times, places, strict=True):
        if word and place >= 0 and time + 1e-9 < starts[place] + tr:
            rows[place].append(word)
    return [" ".join(row) for row in rows]


def windows(volumes: NDArray[np.intp], length: int, hop: int, extra: int) -> tuple[list[int], int]:
    """First rows of windows, and how many were left out since a volume is missing inside them.

    Args:
        volumes: the number of each row's volume in the scan.
        length: rows with words.
        hop: rows from one window to the next.
        extra: further rows of responses that a window takes.
    """
    whole = length + extra
    first = range(0, len(volumes) - whole + 1, hop)
    kept = [row for row in first if volumes[row + whole - 1] - volumes[row] == whole - 1]
    return kept, len(first) - len(kept)


def excess(volumes: int, tr: float, start: float, end: float) -> float:
    """Volumes that a scan goes on after its words, negative where it ends before them.

    Args:
        volumes: of the whole scan, trimmed ones included.
        tr: s.
        start: of the words, s after the scan's.
        end: of the words, s after their start.
    """
    return (volumes * tr - start - end) / tr

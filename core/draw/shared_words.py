"""Words of a decoded text that its true text has too, and the other way round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from enum import IntEnum

from medpipe.core.metrics.text.words import Text, Texts, split_text

_JOINERS = "\u200c\u200d"


class Mark(IntEnum):
    """What a word is: of this text alone, shared, or shared and no word of most windows."""

    alone = 0
    common = 1
    telling = 2


def common_words(true: Texts) -> frozenset[str]:
    """Words of more than half of a story's windows: to share them tells no window from another."""
    counts = Counter(word for text in true for word in set(text.words))
    return frozenset(word for word, count in counts.items() if 2 * count > max(2, len(true)))


def mark_words(text: Text, other: Text, common: Set[str]) -> list[tuple[str, Mark]]:
    """The words of a text as they are written, each with its mark."""
    marked = []
    for written in printable(text.raw).split():
        shared = set(split_text(written).words) & set(other.words)
        mark = Mark.telling if shared - common else Mark.common if shared else Mark.alone
        marked.append((written, mark))
    return marked


def printable(text: str) -> str:
    """The text with spaces for line ends, and a sign for what has no shape and does not join letters either."""
    return "".join(
        letter if letter.isprintable() or letter in _JOINERS else " " if letter.isspace() else "\ufffd"
        for letter in text
    )


def clock(seconds: float) -> str:
    """Minutes and seconds: 1:05, or 1:05.5."""
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    whole, part = divmod(rest, 10)
    return f"{'-' if seconds < 0 else ''}{minutes}:{whole:02d}" + (f".{part}" if part else "")

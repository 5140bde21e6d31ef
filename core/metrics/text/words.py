"""Texts as words: what every metric of text counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it was given, and its words."""

    raw: str
    words: tuple[str, ...]

    def first(self, count: int) -> Text:
        """Its first words; itself where it has no more."""
        if len(self.words) <= count:
            return self
        return Text(" ".join(self.words[:count]), self.words[:count])


Texts = Sequence[Text]


def _words(raw: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", raw).replace("\u2019", "'").lower())


# `words`: lower case, letters and digits with apostrophes inside, no other punctuation. `whitespace`: as written.
TOKENIZERS: Final[dict[str, Callable[[str], list[str]]]] = {"words": _words, "whitespace": str.split}


def split_text(raw: str, tokenizer: str = "words") -> Text:
    """A text in the words of one of TOKENIZERS."""
    return Text(raw, tuple(TOKENIZERS[tokenizer](raw)))

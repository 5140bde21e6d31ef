"""The text that BP-GPT's language model writes: the words of a window with a mark behind those of each volume.

`= so i said $ $ and he left $` has three volumes, the second without a word. The marks teach the model how many words
a volume has, which stands in the place of a model of word rate (arXiv 2502.15172).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from medpipe.core.errors import ModelError

BEGIN: Final = "="
MARK: Final = "$"


def marked(volumes: Sequence[str]) -> str:
    """The text of a window, whose volumes have these words. A mark among the words is left out."""
    words = [" ".join(word for word in text.split() if word not in (MARK, BEGIN)) for text in volumes]
    return " ".join([BEGIN, *(part for text in words for part in (text, MARK) if part)])


def by_volume(text: str) -> list[str]:
    """The words of each volume of a text that was written; what stands behind the last mark is one more."""
    parts = text.strip().removeprefix(BEGIN).split(MARK)
    kept = parts if parts[-1].strip() else parts[:-1]
    return [" ".join(part.replace(BEGIN, " ").split()) for part in kept]


@dataclass(frozen=True, slots=True)
class TextIds:
    """Texts as a language model's tokens.

    `mark` is the token of a mark as it stands in texts, which for many tokenizers is not that of the mark by itself;
    `bare` is the latter. `end` is what the tokenizer ends texts with.
    """

    tokenizer: Any
    begin: tuple[int, ...]
    mark: int
    bare: int
    end: int

    @classmethod
    def of(cls, tokenizer: Any) -> TextIds:
        """Raises ModelError for a tokenizer that has no token for the mark, or no end."""
        ids = _plain(tokenizer, f"{BEGIN} a {MARK} {MARK} a {MARK}")
        mark, bare = ids[-1], _plain(tokenizer, MARK)
        if tokenizer.decode([mark]).strip() != MARK or ids.count(mark) != 3:
            raise ModelError(f"the language model's tokenizer has no token of its own for {MARK}")
        if tokenizer.eos_token_id is None:
            raise ModelError("the language model's tokenizer has no token that ends a text")
        return cls(tokenizer, tuple(_plain(tokenizer, BEGIN)), mark, bare[-1], int(tokenizer.eos_token_id))

    def ids(self, volumes: Sequence[str], most: int, *, ended: bool) -> tuple[list[int], bool]:
        """The tokens of a window's text, with the end behind them where it is learnt; whether they had to be cut."""
        made = _plain(self.tokenizer, marked(volumes)) + ([self.end] if ended else [])
        return made[:most], len(made) > most

    def text(self, ids: Sequence[int]) -> str:
        """What the tokens say, marks and all, without an end."""
        told: str = self.tokenizer.decode([one for one in ids if one != self.end], skip_special_tokens=False)
        return told


def _plain(tokenizer: Any, text: str) -> list[int]:
    return [int(one) for one in tokenizer(text, add_special_tokens=False)["input_ids"]]

"""Stems of English words by Porter's algorithm (Porter 1980, "An algorithm for suffix stripping", Program 14(3)).

Words of one or two letters stay as they are, as in Porter's own later code.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final

_STEP_2: Final = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"),
)  # fmt: skip
_STEP_3: Final = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP_4: Final = ("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism",
                  "ate", "iti", "ous", "ive", "ize")  # fmt: skip


@lru_cache(maxsize=1 << 16)
def porter_stem(word: str) -> str:
    """The stem of a word in lower case."""
    if len(word) <= 2:
        return word
    word = _plural(word)
    word = _past(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    for endings in (_STEP_2, _STEP_3):
        word = _replaced(word, endings)
    return _tidied(_cut(word))


def _is_consonant(word: str, place: int) -> bool:
    if word[place] == "y":
        return place == 0 or not _is_consonant(word, place - 1)
    return word[place] not in "aeiou"


def _measure(stem: str) -> int:
    """How often a consonant follows a vowel: Porter's m."""
    kinds = [_is_consonant(stem, place) for place in range(len(stem))]
    return sum(now and not before for before, now in pairwise(kinds))


def _has_vowel(stem: str) -> bool:
    return any(not _is_consonant(stem, place) for place in range(len(stem)))


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _is_consonant(word, len(word) - 1)


def _closed(word: str) -> bool:
    """Whether it ends in consonant, vowel, consonant, the last none of w, x, y."""
    at = len(word) - 1
    return (
        at >= 2
        and _is_consonant(word, at)
        and not _is_consonant(word, at - 1)
        and _is_consonant(word, at - 2)
        and word[at] not in "wxy"
    )


def _plural(word: str) -> str:
    if word.endswith("sses") or word.endswith("ies"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    stem = next((word[: -len(end)] for end in ("ed", "ing") if word.endswith(end)), "")
    if not _has_vowel(stem):
        return word
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if _doubled(stem) and stem[-1] not in "lsz":
        return stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _closed(stem) else stem


def _replaced(word: str, endings: tuple[tuple[str, str], ...]) -> str:
    """The longest ending that fits is looked at, and replaced where enough stands before it."""
    fitting = [pair for pair in endings if word.endswith(pair[0])]
    if not fitting:
        return word
    end, other = max(fitting, key=lambda pair: len(pair[0]))
    stem = word[: -len(end)]
    return stem + other if _measure(stem) else word


def _cut(word: str) -> str:
    end = max((one for one in _STEP_4 if word.endswith(one)), key=len, default="")
    stem = word[: len(word) - len(end)]
    if not end or _measure(stem) < 2 or (end == "ion" and not stem.endswith(("s", "t"))):
        return word
    return stem


def _tidied(word: str) -> str:
    if word.endswith("e"):
        stem = word[:-1]
        if _measure(stem) > 1 or (_measure(stem) == 1 and not _closed(stem)):
            word = stem
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word

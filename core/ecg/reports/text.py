"""A report's text made easy to search, character for character: what is found lies at the same place in the report."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

# Before a dot, these end no sentence.
_SHORT = (
    *("chron", "intraventr", "term", "neg", "mögl", "moegl", "unbest", "unspez", "path", "evtl", "ca", "bzw", "inkl"),
    *("resp", "approx", "vs", "dr", "st", "incl", "ant", "inf", "lat", "post", "kompl", "inkompl"),
)
_NO_END = "".join(rf"(?<!\b{word})" for word in (*_SHORT, "v", "z", "d", "b", "a", "n"))
# A figure that stands alone may be an ordinal: `AV-Block 1. Grades`.
_END = re.compile(rf"(?<!(?<![\w.,])\d){_NO_END}[.;!?](?=\s|$)|\n")
_UMLAUTS = {"ä": "(?:ä|ae)", "ö": "(?:ö|oe)", "ü": "(?:ü|ue)"}


def normalised(report: str) -> str:
    """The report in lower case, of the same length; a `#` that stands for a lost umlaut (as in PTB-XL) is `ü`.

    An umlaut of two characters, vowel and dots, is spelt out: `ae`.
    """
    lower = "".join(low if len(low := char.lower()) == 1 else char for char in report)
    lower = re.sub("(?<=[aou])\u0308", "e", lower)
    return re.sub(r"(?<!\S)#(?=[a-zäöü])|(?<=[a-zäöü])#(?=[a-zäöü])", "ü", lower)


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Start and text of each sentence of a normalised report."""
    start = 0
    for end in _END.finditer(text):
        if text[start : end.start()].strip():
            yield start, text[start : end.end()]
        start = end.end()
    if text[start:].strip():
        yield start, text[start:]


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of the tables: a blank is any white space, an umlaut may be spelt out, ss may be ß, words are whole."""
    for umlaut, spelt in _UMLAUTS.items():
        pattern = pattern.replace(umlaut, spelt)
    # A look-behind must have one width, so that it stays as it is.
    pattern = re.sub(r"(\(\?<[=!][^)]*\))|ss", lambda one: one[1] or "(?:ss|ß)", pattern)
    pattern = pattern.replace(" ?", r"\s*").replace(" ", r"\s+")
    # A question mark stands right behind its word.
    return re.compile(rf"(?:(?<![\w-])|(?=\?))(?:{pattern})(?!\w)")


TABLES = ("entities.tsv", "lexicon_en.tsv", "lexicon_de.tsv", "territories.tsv", "triggers.tsv")


@lru_cache(maxsize=1)
def tables_digest() -> str:
    """Eight hex digits that stand for all tables."""
    content = "\0".join(_content(name) for name in TABLES)
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def _content(name: str) -> str:
    return files("medpipe.core.ecg.reports").joinpath(name).read_text("utf-8")


def table(name: str) -> list[dict[str, str]]:
    """The rows of one of the tables beside this file."""
    head, *rows = (line.split("\t") for line in _content(name).splitlines() if line)
    return [dict(zip(head, row, strict=True)) for row in rows]

"""Cardiac entities by a lexicon: patterns of words in English and German, with negation, doubt and laterality."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from medpipe.core.ecg.reports.assertion import Span, statuses
from medpipe.core.ecg.reports.entity import Entity, Status, entity_of_code, strongest
from medpipe.core.ecg.reports.extractor import Extraction
from medpipe.core.ecg.reports.language import NAMES, SUPPORTED, detect
from medpipe.core.ecg.reports.text import compiled, normalised, sentences, table, tables_digest
from medpipe.core.errors import InputError

# PTB-XL's second readers add a note with codes of SCP-ECG: `Edit: ASMI 100, CRBBB`.
_NOTE: Final = re.compile(r"\bEdit:")
_CODE: Final = re.compile(r"(?<![\w/])(?:[1-3]AVB|[A-Z]{3,5}(?:/[A-Z]{3})?)(?![\w/])")
Pattern = tuple[str, re.Pattern[str]]


class Lexicon:
    """The extractor that needs no model."""

    @property
    def name(self) -> str:
        """With the digest of its tables."""
        return f"lexicon@{tables_digest()}"

    def extract(self, report: str) -> Extraction:
        """See Extractor. Raises InputError: `unsupported-language`, `empty-report`."""
        text = normalised(report)
        if not text.strip():
            raise InputError("empty-report", "the report has no text")
        language = detect(normalised(unicodedata.normalize("NFC", report)))
        if language not in SUPPORTED:
            said = "in no language that the lexicon can tell" if language is None else f"in {NAMES[language]}"
            known = " and ".join(SUPPORTED.values())
            raise InputError("unsupported-language", f"the report is {said}; the lexicon reads {known}")
        found = []
        for start, sentence in sentences(text):
            for name, status, begin, end in sentence_findings(sentence, language):
                found.append(Entity(name, status, start + begin, start + end))
        return Extraction(strongest(found + _coded(report)), language)


@lru_cache(maxsize=50_000)
def sentence_findings(sentence: str, language: str) -> tuple[tuple[str, Status, int, int], ...]:
    """Name, status and place of each finding of a sentence; sentences come again and again."""
    spans = _apart([(*match.span(), name) for name, one in patterns(language) for match in one.finditer(sentence)])
    found = statuses(sentence, [span for span, _ in spans], [name for _, name in spans], language)
    return tuple((name, status, *span) for (span, name), status in zip(spans, found, strict=True))


def _apart(found: list[tuple[int, int, str]]) -> list[tuple[Span, str]]:
    """Of findings that overlap the longest, in order."""
    kept: list[tuple[int, int, str]] = []
    for start, end, name in sorted(found, key=lambda one: (one[0] - one[1], one[0])):
        if all(end <= begin or stop <= start for begin, stop, _ in kept):
            kept.append((start, end, name))
    return [((start, end), name) for start, end, name in sorted(kept)]


def _coded(report: str) -> list[Entity]:
    """The statements that a second reader has put down by their codes."""
    note = _NOTE.search(report)
    known = entity_of_code()
    found = _CODE.finditer(report, note.end()) if note else ()
    return [Entity(known[match[0]], "present", *match.span()) for match in found if match[0] in known]


@lru_cache(maxsize=4)
def patterns(language: str) -> tuple[Pattern, ...]:
    """Name and pattern of every row of a language's table, rows with `{t}` once for each territory."""
    territories = {row["territory"]: row[language] for row in table("territories.tsv")}
    every = "|".join(territories.values())
    # German writes some as one word: Hinterwandinfarkt.
    gap = " ?" if language == "de" else " "
    found = []
    for row in table(f"lexicon_{language}.tsv"):
        if "{t}" not in row["pattern"]:
            found.append((row["entity"], compiled(row["pattern"])))
            continue
        for territory, words in territories.items():
            pattern = row["pattern"].replace("{t} ", f"(?:{words}){gap}").replace("{t}", f"(?:{words})")
            pattern = pattern.replace("{any}", f"(?:{every})")
            found.append((row["entity"].replace("{t}", territory), compiled(pattern)))
    return tuple(found)

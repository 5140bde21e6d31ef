"""Words and when they were heard: Praat TextGrids, tables (TSV), JSON Lines."""

from __future__ import annotations

import codecs
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from medpipe.formats.errors import FormatError
from medpipe.formats.registry import SERIES, check_kind
from medpipe.formats.sniff import sniff
from medpipe.formats.textgrid import Tier, parse_textgrid

SUFFIXES = (".TextGrid", ".textgrid", ".tsv", ".jsonl")
_TEXT = ("word", "text", "trial_type", "value")
_ONSET = ("onset", "start", "xmin")
_OFFSET = ("offset", "end", "xmax")
_WORD_TIERS = ("word", "words")
_PLAIN = ("csv", "jsonl", "unknown")


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is written, with its onset and offset in seconds."""

    text: str
    onset: float
    offset: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words in the order of their onsets, and when the recording ends, in seconds: in tables, with its last word."""

    words: list[Word]
    end: float


def read_transcript(path: str, tier: str | None = None) -> Transcript:
    """The words in a file.

    Args:
        path: a TextGrid, a table with columns `onset`, `duration` or `offset` and `word`, or JSON Lines of such keys.
        tier: of a TextGrid: its number from 1, as Praat counts, or its name; None for the one called word or words.

    Raises:
        FormatError: the file is missing or damaged, there is no such tier or more than one, or no word.
    """
    kind = sniff(path)
    if kind not in _PLAIN:
        check_kind(kind, SERIES)
        raise FormatError("bad-transcript", "the file is neither a TextGrid, nor a table, nor JSON Lines")
    text = _decoded(Path(path).read_bytes())
    if "ooTextFile" in text[:200]:
        transcript = _from_textgrid(text, tier)
    elif tier is not None:
        raise FormatError("missing-tier", f"no tier {tier}: the words are a table or lines, which have no tiers")
    else:
        words = [_word(row) for row in (_json_rows(text) if text.lstrip().startswith("{") else _table_rows(text))]
        transcript = Transcript(words, max((word.offset for word in words), default=0.0))
    if not transcript.words:
        raise FormatError("bad-transcript", "the file holds no word")
    return Transcript(sorted(transcript.words, key=lambda word: word.onset), transcript.end)


def _decoded(content: bytes) -> str:
    """Praat writes UTF-16 with a mark, UTF-8, or the Latin-1 of older versions."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _from_textgrid(text: str, wanted: str | None) -> Transcript:
    end, tiers = parse_textgrid(text)
    chosen = _chosen(tiers, wanted)
    return Transcript([Word(word, onset, offset) for onset, offset, word in chosen.intervals], end)


def _chosen(tiers: list[Tier], wanted: str | None) -> Tier:
    names = _WORD_TIERS if wanted is None else (wanted.lower(),)
    found = [one for one in tiers if one.name.strip().lower() in names]
    if not found and wanted is not None and wanted.isdigit() and 1 <= int(wanted) <= len(tiers):
        found = [tiers[int(wanted) - 1]]
    there = ", ".join(f"{number} {one.name}" for number, one in enumerate(tiers, 1)) or "none"
    if len(found) > 1:
        raise FormatError("ambiguous", f"the TextGrid has {len(found)} tiers of words, choose by number: {there}")
    if not found:
        called = f"no tier {wanted}" if wanted is not None else "no tier called word or words"
        raise FormatError("missing-tier", f"the TextGrid has {called}; there are: {there}")
    return found[0]


def _json_rows(text: str) -> list[dict[str, Any]]:
    try:
        rows = [orjson.loads(line) for line in text.splitlines() if line.strip()]
    except orjson.JSONDecodeError:
        raise FormatError("bad-transcript", "a line of the words is no JSON") from None
    if not all(isinstance(row, dict) for row in rows):
        raise FormatError("bad-transcript", "a line of the words is no JSON object")
    return rows


def _table_rows(text: str) -> list[dict[str, Any]]:
    head, *lines = text.splitlines() or [""]
    names = [name.strip().lower() for name in head.split("\t")]
    return [dict(zip(names, line.split("\t"), strict=False)) for line in lines if line.strip()]


def _word(row: dict[str, Any]) -> Word:
    text = next((row[key] for key in _TEXT if key in row), None)
    onset = next((row[key] for key in _ONSET if key in row), None)
    if text is None or onset is None:
        raise FormatError("bad-transcript", "the words need onset, in seconds, and word")
    try:
        first = float(onset)
        last = next((float(row[key]) for key in _OFFSET if key in row), first + float(row.get("duration", 0)))
    except (TypeError, ValueError):
        raise FormatError("bad-transcript", "an onset, offset or duration of a word is no number") from None
    if not (math.isfinite(first) and math.isfinite(last)):
        raise FormatError("bad-transcript", "an onset, offset or duration of a word is no number")
    return Word(str(text), first, last)

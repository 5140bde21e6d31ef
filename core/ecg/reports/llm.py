"""Cardiac entities by a language model, after K-MERL (arXiv 2502.17900): extract, then ask again whether each is there.

The prompts are ours: the paper's are not published. Every entity must quote the report; one whose quote is not there,
or that the second pass does not confirm, is dropped and counted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from medpipe.core.ecg.reports.answer_cache import AnswerCache
from medpipe.core.ecg.reports.entity import STATUSES, Entity, entity_codes, strongest
from medpipe.core.ecg.reports.extractor import Extraction
from medpipe.core.ecg.reports.lexicon import patterns
from medpipe.core.ecg.reports.text import normalised
from medpipe.core.errors import InputError
from medpipe.core.language_model import LanguageModel

_EXTRACT: Final = """You read reports of electrocardiograms. List every cardiac finding, diagnosis, rhythm or \
wave change that the report speaks of. Answer with JSON alone, in this form:
{"entities": [{"name": "left bundle branch block", "status": "present", "quote": "LBBB"}]}
name: the usual English term, without words of doubt, of age or of change. status: present, absent (the report denies \
it) or uncertain (the report doubts it). quote: the words of the report that say so, copied letter by letter.

Report:
"""
_CONFIRM: Final = """A report of an electrocardiogram, and statements about it. Say for each statement whether the \
report really says so. Answer with JSON alone: {"confirmed": [true, false]}, one value for each, in their order.

Report:
"""
_SAYINGS: Final = {
    "present": "The report says that there is {}.",
    "absent": "The report says that there is no {}.",
    "uncertain": "The report says that there may be {}.",
}
_MOST_TOKENS: Final = 1024
_DECODER: Final = json.JSONDecoder()


@dataclass(slots=True)
class LlmExtractor:
    """The extractor that asks a language model; `confirm` is the second pass."""

    model: LanguageModel
    cache: AnswerCache | None = None
    confirm: bool = True

    @property
    def name(self) -> str:
        """Model and prompts, as provenance gives them."""
        asked = hashlib.sha256(repr((_EXTRACT, _CONFIRM, _SAYINGS, self.confirm)).encode()).hexdigest()[:8]
        return f"{self.model.name} prompts={asked}"

    def extract(self, report: str) -> Extraction:
        """See Extractor. Raises InputError: `empty-report`, `no-answer`, `bad-answer`; ModelError."""
        if not report.strip():
            raise InputError("empty-report", "the report has no text")
        listed = self._listed(report)
        quoted = [entity for one in listed if (entity := _located(one, report)) is not None]
        dropped = {"unquoted": len(listed) - len(quoted)}
        found = strongest(quoted)
        if self.confirm and found:
            sure = self._confirmed(found, report)
            dropped["unconfirmed"] = sure.count(False)
            found = [entity for entity, kept in zip(found, sure, strict=True) if kept]
        return Extraction(found, None, {why: count for why, count in dropped.items() if count})

    def _listed(self, report: str) -> list[Any]:
        return self._asked(_EXTRACT + report, _entities)

    def _confirmed(self, found: list[Entity], report: str) -> list[bool]:
        sayings = [f"{k}. {_SAYINGS[one.status].format(one.name)}" for k, one in enumerate(found, 1)]
        prompt = f"{_CONFIRM}{report}\n\nStatements:\n" + "\n".join(sayings)
        return [value is True for value in self._asked(prompt, lambda answer: _confirmations(answer, len(found)))]

    def _asked(self, prompt: str, read: Callable[[str], list[Any]]) -> list[Any]:
        """What `read` makes of the answer; only an answer that it takes is kept."""
        if self.cache is not None and (held := self.cache.get(self.model.name, prompt)) is not None:
            # An answer kept by another release may be none to this one.
            with suppress(InputError):
                return read(held)
        answer = self.model.answer([{"role": "user", "content": prompt}], _MOST_TOKENS)
        made = read(answer)
        if self.cache is not None:
            self.cache.put(self.model.name, prompt, answer)
        return made


def _entities(answer: str) -> list[Any]:
    listed = _object(answer, "entities")
    if not isinstance(listed, list):
        raise InputError("bad-answer", "the language model's answer lists no entities")
    return listed


def _confirmations(answer: str, count: int) -> list[Any]:
    said = _object(answer, "confirmed")
    if not isinstance(said, list) or len(said) != count:
        raise InputError("bad-answer", "the language model confirms another number of entities than it listed")
    return said


def _object(answer: str, key: str) -> Any:
    """The value of a key in the first JSON object of an answer that has it, whatever is said around it."""
    for brace in re.finditer(r"\{", answer):
        try:
            read, _ = _DECODER.raw_decode(answer, brace.start())
        except (ValueError, RecursionError):
            continue
        if key in read:
            return read[key]
    raise InputError("bad-answer", "the language model's answer is not the JSON that was asked for")


def _located(one: Any, report: str) -> Entity | None:
    """An entity whose quote stands in the report; None for anything else."""
    if not isinstance(one, dict) or one.get("status") not in STATUSES:
        return None
    name, quote = one.get("name"), one.get("quote")
    if not isinstance(name, str) or not isinstance(quote, str) or not name.strip() or not quote.strip():
        return None
    place = re.search(r"\s+".join(map(re.escape, quote.split())), report, re.IGNORECASE)
    return None if place is None else Entity(canonical(name), one["status"], *place.span())


@lru_cache(maxsize=50_000)
def canonical(name: str) -> str:
    """The table's name for what a name says, as `LBBB` does; else the name in lower case with single blanks."""
    plain = " ".join(name.split())
    said = normalised(plain)
    for known in entity_codes():
        if known.lower() == said:
            return known
    return next((known for known, words in patterns("en") if words.fullmatch(said)), plain.lower())

"""What an extractor of entities answers to, and which there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from medpipe.core.ecg.reports.entity import Entity


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found in one report: entities, the language where it was told, what was dropped and why."""

    entities: list[Entity]
    language: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)


class Extractor(Protocol):
    """Reads one report."""

    @property
    def name(self) -> str:
        """As provenance gives it."""
        ...

    def extract(self, report: str) -> Extraction:
        """One entity for each name. Raises InputError where the report cannot be read, ModelError."""
        ...


def open_extractor(
    base_url: str | None = None, model: str | None = None, device: str = "cpu", cache: Path | None = None,
    confirm: bool = True,
) -> Extractor:  # fmt: skip
    """The lexicon where no model is named, else that model, served or local. Raises ModelError."""
    if model is None:
        from medpipe.core.ecg.reports.lexicon import Lexicon

        return Lexicon()
    from medpipe.core.ecg.reports.answer_cache import AnswerCache
    from medpipe.core.ecg.reports.llm import LlmExtractor
    from medpipe.core.language_model import LocalModel, ServedModel

    asked = LocalModel(model, device) if base_url is None else ServedModel(base_url, model)
    return LlmExtractor(asked, None if cache is None else AnswerCache(cache), confirm)

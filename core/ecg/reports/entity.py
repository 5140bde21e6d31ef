"""A cardiac entity of a report, and the table of those that have a code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from medpipe.core.ecg.reports.text import table

Status = Literal["present", "absent", "uncertain"]
STATUSES: tuple[Status, ...] = ("present", "uncertain", "absent")  # the strongest claim first


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity that a report speaks of; `start` and `end` are the places of the words that say so."""

    name: str
    status: Status
    start: int
    end: int

    def record(self, report: str) -> dict[str, Any]:
        """As it stands in a record: name, status, codes, and the words with their place."""
        return {
            "name": self.name,
            "status": self.status,
            "codes": codes(self.name),
            "span": [self.start, self.end],
            "text": report[self.start : self.end],
        }


@lru_cache(maxsize=1)
def entity_codes() -> dict[str, dict[str, list[str]]]:
    """Codes by name of every entity of the table: SCP-ECG statements, SNOMED CT concepts where there are any."""
    return {
        row["name"]: {system: row[system].split() for system in ("scp", "snomed") if row[system]}
        for row in table("entities.tsv")
    }


def codes(name: str) -> dict[str, list[str]]:
    """Codes of an entity by system; none for a name that the table does not have."""
    return entity_codes().get(name, {})


@lru_cache(maxsize=1)
def entity_of_code() -> dict[str, str]:
    """The first entity of the table that an SCP-ECG statement alone stands for."""
    found: dict[str, str] = {}
    for name, systems in entity_codes().items():
        if len(statement := systems.get("scp", [])) == 1:
            found.setdefault(statement[0].rstrip("_"), name)
    return found


def strongest(entities: list[Entity]) -> list[Entity]:
    """One entity for each name, with its strongest claim, in the order of the report."""
    best: dict[str, Entity] = {}
    for entity in entities:
        held = best.get(entity.name)
        if held is None or STATUSES.index(entity.status) < STATUSES.index(held.status):
            best[entity.name] = entity
    return sorted(best.values(), key=lambda entity: (entity.start, entity.end))

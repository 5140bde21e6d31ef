"""Which entities a set of reports speaks of: counts, near-duplicate names merged, the rare ones cut."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.reports.entity import STATUSES, codes, entity_codes

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
FORMAT: Final = "medpipe-vocabulary-1"
# Names that differ in one of these are never the same, however near their vectors are.
_OPPOSED: Final = (
    {"left", "right"}, {"complete", "incomplete"}, {"first", "second", "third"}, {"atrial", "ventricular", "sinus"},
    {"tachycardia", "bradycardia", "arrhythmia"}, {"elevation", "depression"}, {"low", "high"}, {"short", "long"},
    {"anterior", "inferior", "lateral", "posterior", "septal", "anteroseptal", "anterolateral", "inferolateral",
     "inferoposterior", "inferoposterolateral"}, {"inversion", "elevation", "depression"}, {"fibrillation", "flutter"},
    {"p", "q", "r", "s", "t", "st", "qrs", "qt", "pr"}, {"supraventricular", "ventricular"}, {"acute", "old"},
)  # fmt: skip


@dataclass(slots=True)
class Term:
    """One entity of a vocabulary: how many reports claim, doubt and deny it, and the names merged into it."""

    name: str
    present: int = 0
    uncertain: int = 0
    absent: int = 0
    merged: dict[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As it stands in the file."""
        counts = {"present": self.present, "uncertain": self.uncertain, "absent": self.absent}
        return {"name": self.name, **counts, "codes": codes(self.name), "merged": self.merged}


class Counts:
    """How often each name comes, by status.

    Memory grows with the names and, of reports with a name that may be merged, with their different findings.
    """

    def __init__(self) -> None:
        self.reports = 0
        self._names: dict[str, Counter[str]] = {}
        self._together: Counter[frozenset[tuple[str, str]]] = Counter()

    def add(self, entities: Iterable[Mapping[str, Any]]) -> None:
        """The entities of one report."""
        self.reports += 1
        claims = [(entity["name"], entity["status"]) for entity in entities]
        for name, status in claims:
            self._names.setdefault(name, Counter())[status] += 1
        # Names with a code stay apart from each other.
        if len(claims) > 1 and any(name not in entity_codes() for name, _ in claims):
            self._together[frozenset(claims)] += 1

    def terms(self) -> list[Term]:
        """The names with their counts, the most frequent first, equal ones by the alphabet."""
        made = [Term(name, one["present"], one["uncertain"], one["absent"]) for name, one in self._names.items()]
        return sorted(made, key=lambda term: (-term.present, term.name))

    def once(self, merged: Sequence[Term]) -> list[Term]:
        """Merged terms with a report that has several names of one counted once, by its strongest claim."""
        into = {name: term for term in merged for name in (term.name, *term.merged)}
        for claims, count in self._together.items():
            said: dict[str, list[str]] = {}
            for name, status in claims:
                said.setdefault(into[name].name, []).append(status)
            for name, several in said.items():
                for status in sorted(several, key=[*map(str, STATUSES)].index)[1:]:
                    setattr(into[name], status, getattr(into[name], status) - count)
        return sorted(merged, key=lambda term: (-term.present, term.name))


def merge(terms: Sequence[Term], embed: Embed, least: float) -> list[Term]:
    """Terms whose names have a cosine of at least `least` with a more frequent one, put into that one.

    Names that have a code come first, and stay apart from each other.
    """
    if not terms:
        return []
    terms = sorted(terms, key=lambda term: (term.name not in entity_codes(), -term.present, term.name))
    vectors = embed([term.name for term in terms])
    kept: list[int] = []
    made: dict[int, Term] = {}
    for place, term in enumerate(terms):
        near = vectors[kept] @ vectors[place] if kept else np.empty(0)
        fits = [k for k in np.argsort(-near) if near[k] >= least and _same(terms[kept[k]].name, term.name)]
        if not fits:
            kept.append(place)
            made[place] = Term(term.name, term.present, term.uncertain, term.absent)
            continue
        into = made[kept[fits[0]]]
        into.present += term.present
        into.uncertain += term.uncertain
        into.absent += term.absent
        into.merged[term.name] = term.present + term.uncertain + term.absent
    return sorted(made.values(), key=lambda term: (-term.present, term.name))


def _same(one: str, other: str) -> bool:
    """Whether two names that are near each other may mean the same."""
    known = entity_codes()
    if one in known and other in known:
        return False
    words, others = (set(name.lower().replace("-", " ").replace(",", " ").split()) for name in (one, other))
    return all(words & opposed == others & opposed for opposed in _OPPOSED)


def cut(terms: Iterable[Term], least: int, most: int | None) -> list[Term]:
    """The terms that at least so many reports claim, at most so many of them."""
    return [term for term in terms if term.present >= least][:most]


def digest(names: Sequence[str]) -> str:
    """Twelve hex digits for the names in their order: which column of a target is which."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def multi_hot(
    entities: Iterable[Mapping[str, Any]], places: Mapping[str, int], count: int, uncertain: int
) -> NDArray[np.int8]:
    """Targets [count] of one report: 1 claimed, 0 denied or not spoken of, `uncertain` doubted (-1: unknown).

    Args:
        entities: of the report.
        places: column of each name, merged names among them.
        count: of the columns.
        uncertain: what doubt counts as.
    """
    row = np.zeros(count, np.int8)
    rank = {"absent": 0, "uncertain": 1, "present": 2}
    best: dict[int, str] = {}
    for entity in entities:
        place = places.get(entity["name"])
        # Of several names that became one, the strongest claim counts.
        if place is not None and rank[entity["status"]] >= rank[best.get(place, "absent")]:
            best[place] = entity["status"]
    for place, status in best.items():
        row[place] = {"present": 1, "absent": 0, "uncertain": uncertain}[status]
    return row

"""Whether a finding is claimed, denied or doubted, by the words around it (after NegEx, Chapman et al. 2001).

Reports are telegrams: a word of doubt before a finding holds for it and for what is joined to it by `and`, `or`, a
comma or a slash, a word after it for the finding before and what is joined to that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from medpipe.core.ecg.reports.entity import Status
from medpipe.core.ecg.reports.text import compiled, table

Span = tuple[int, int]
# Words between a trigger and its finding, at most.
_REACH_BEFORE = 6
_REACH_AFTER = 3
# In PTB-XL's reports four blanks begin a further item of a list.
_JOINED = re.compile(r"(?:\s*[,/&+]\s*|\s+(?:and|or|und|oder|bzw\.?)\s+(?:/\s*)?|\s{3,})(?:(?:old|acute|alter|of)\s+)*")


@dataclass(frozen=True, slots=True)
class Trigger:
    """Words that change what is claimed; `place` is where they stand to their finding, or aside: they mean nothing."""

    place: str
    status: str
    pattern: re.Pattern[str]


@lru_cache(maxsize=4)
def triggers(language: str) -> tuple[Trigger, ...]:
    """Those of a language: `aside` first, since they hide others."""
    rows = [row for row in table("triggers.tsv") if row["language"] == language]
    rows.sort(key=lambda row: row["place"] != "aside")
    return tuple(Trigger(row["place"], row["status"], compiled(row["pattern"])) for row in rows)


def statuses(sentence: str, findings: Sequence[Span], language: str) -> list[Status]:
    """The status of each finding of a sentence, findings in order and apart from each other."""
    found: list[Status] = ["present"] * len(findings)
    for place, status, span in _marks(sentence, findings, language):
        reached = _before(sentence, findings, span) if place == "before" else _after(sentence, findings, span)
        for index in reached:
            if status == "absent" or found[index] == "present":
                found[index] = "absent" if status == "absent" else "uncertain"
    return found


def _marks(sentence: str, findings: Sequence[Span], language: str) -> list[tuple[str, str, Span]]:
    """Place, status and span of the triggers that are no part of a finding or of a longer trigger."""
    every = [(*match.span(), one) for one in triggers(language) for match in one.pattern.finditer(sentence)]
    every.sort(key=lambda one: (one[2].place != "aside", one[0] - one[1]))
    taken: list[Span] = list(findings)
    marks = []
    for start, end, trigger in every:
        if any(start < stop and begin < end for begin, stop in taken):
            continue
        taken.append((start, end))
        if trigger.place != "aside":
            marks.append((trigger.place, trigger.status, (start, end)))
    return marks


def _before(sentence: str, findings: Sequence[Span], mark: Span) -> list[int]:
    """The findings that follow a trigger: the next within reach, and those joined to it."""
    reached: list[int] = []
    end = mark[1]
    for index, (start, stop) in enumerate(findings):
        if start < mark[1]:
            continue
        gap = sentence[end:start]
        if not (_near(gap, _REACH_BEFORE) if not reached else _JOINED.fullmatch(gap)):
            break
        reached.append(index)
        end = stop
    return reached


def _after(sentence: str, findings: Sequence[Span], mark: Span) -> list[int]:
    """The finding before a trigger within reach, and those joined to it."""
    reached: list[int] = []
    begin = mark[0]
    for index in range(len(findings) - 1, -1, -1):
        start, stop = findings[index]
        if stop > mark[0]:
            continue
        gap = sentence[stop:begin]
        if not (_near(gap, _REACH_AFTER) if not reached else _JOINED.fullmatch(gap)):
            break
        reached.append(index)
        begin = start
    return reached


def _near(gap: str, words: int) -> bool:
    return len(gap.split()) <= words

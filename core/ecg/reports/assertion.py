"""Whether a finding is claimed, denied or doubted, by the words around it (after NegEx, Chapman et al. 2001).

Reports are telegrams: a word of doubt before a finding holds for it and for what `and`, `or` or a slash joins to it, a
word after it for the finding before and what is joined to that. A comma alone joins nothing, unless it belongs to a
list that ends in `and` or `or`: `no A, B or C` denies three, `possible A, B` doubts one. Behind words that are no
finding, only `or` makes a list: `no X, A or B` denies two, `no X, A` and `no X, A and B` none. What every tracing has,
a rhythm of the sinus or an axis, ends a list, unless `or` joins it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from medpipe.core.ecg.reports.entity import Status
from medpipe.core.ecg.reports.text import compiled, table

Span = tuple[int, int]
# Words between a trigger and its finding, at most.
_REACH_BEFORE = 6
_REACH_AFTER = 3
_OLD = r"(?:(?:old|acute|alter|of)\s+)*"
# In PTB-XL's reports four blanks begin a further item of a list.
_JOINED = re.compile(rf"(?:\s*,?\s*(?:\b(?:and|or|nor|und|oder|noch|bzw\.?)\s+|[/&+]\s*)(?:/\s*)?|\s{{3,}}){_OLD}")
_COMMA = re.compile(rf"\s*,\s*{_OLD}")
_OR = re.compile(r"\b(?:or|nor|oder|noch)\b")
# Behind the last finding of a list: `no A, B or anything else`.
_OR_ELSE = re.compile(r"\s*,?\s*\b(?:or|nor|oder|noch)\b")
# Between a trigger and its finding, these are no matter of their own: `possible old, inferior infarct`.
_AGE = re.compile(r"\b(?:old|acute|recent|previous|(?:alte|akute|frische|abgelaufene)[nrsm]?)\s*,")
_OWN = frozenset(
    ("normal ECG", "sinus rhythm", "left axis deviation", "extreme left axis deviation", "right axis deviation",
     "indeterminate axis")
)  # fmt: skip


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


def statuses(sentence: str, findings: Sequence[Span], names: Sequence[str], language: str) -> list[Status]:
    """The status of each finding of a sentence, findings in order and apart from each other."""
    found: list[Status] = ["present"] * len(findings)
    own = [name in _OWN for name in names]
    for place, status, span in _marks(sentence, findings, language):
        reached = (_before if place == "before" else _after)(sentence, findings, own, span)
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


def _before(sentence: str, findings: Sequence[Span], own: Sequence[bool], mark: Span) -> list[int]:
    """The findings that follow a trigger: the next within reach, and those joined to it."""
    after = [index for index, (start, _) in enumerate(findings) if start >= mark[1]]
    between = sentence[mark[1] : findings[after[0]][0]] if after else ""
    if not after or len(between.split()) > _REACH_BEFORE:
        return []
    gaps = [sentence[findings[one][1] : findings[other][0]] for one, other in pairwise(after)]
    joined = _linked(gaps, [own[index] for index in after[1:]], sentence[findings[after[-1]][1] :])
    # Behind a comma stands another matter, unless the list goes on.
    if "," in _AGE.sub(" ", between) and (own[after[0]] or not any(map(_OR.search, gaps[:joined]))):
        return []
    return after[: 1 + joined]


def _after(sentence: str, findings: Sequence[Span], own: Sequence[bool], mark: Span) -> list[int]:
    """The finding before a trigger within reach, and those joined to it."""
    before = [index for index, (_, stop) in enumerate(findings) if stop <= mark[0]][::-1]
    between = sentence[findings[before[0]][1] : mark[0]] if before else ""
    # Behind a comma stands another matter.
    if not before or "," in between or len(between.split()) > _REACH_AFTER:
        return []
    gaps = [sentence[findings[other][1] : findings[one][0]] for one, other in pairwise(before)]
    return before[: 1 + _linked(gaps, [own[index] for index in before[1:]], commas=False)]


def _linked(gaps: Sequence[str], own: Sequence[bool], rest: str = "", *, commas: bool = True) -> int:
    """How many of the gaps between findings, from the first on, join; commas only up to the last `and` or `or`.

    That `or` may lead to what is no finding, `rest` of the sentence too.
    """
    count = 0
    for number, (gap, alone) in enumerate(zip([*gaps, rest], [*own, False], strict=True), 1):
        if alone and not _OR.search(gap):
            break
        if _JOINED.fullmatch(gap):
            count = number
        elif commas and _OR_ELSE.match(gap):
            return number - 1
        elif not (commas and _COMMA.fullmatch(gap)):
            break
    return count

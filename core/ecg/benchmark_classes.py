"""The classes of MERL's six benchmark sets (106 in all) and the words that we ask for each with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_TABLE = Path(__file__).with_suffix(".tsv")


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in _TABLE.read_text("utf-8").splitlines()[1:]:
        group, name, words = line.split("\t")
        found.setdefault(group, {})[name] = words
    return found


def class_names(group: str) -> dict[str, str]:
    """Words by class of one set: super, sub, form, rhythm, cpsc or csn."""
    return _table()[group]

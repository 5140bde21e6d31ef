"""A finished output met again with --resume: is it this run's, and what went wrong in it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from medpipe.cli.exits import USAGE, Fatal
from medpipe.cli.inputs import InputOptions, Item, enumerate_items


@dataclass(frozen=True, slots=True)
class Made:
    """What would write it now: command, digest of the options that change results, model as `via` names it.

    The model is empty where there is none, or where each record has its own.
    """

    command: str
    digest: str
    model: str


def failures(output: str, made: Made, inputs: InputOptions, *, skipped: bool, head: int | None) -> int:
    """How many records of a finished output are errors of the command.

    Args:
        output: the finished file.
        made: what would write it now.
        inputs: what the run would read now.
        skipped: whether failed inputs have no record.
        head: after so many records the run ends.

    Raises:
        Fatal: 2 when other options, other inputs or another model made it.
    """
    walk = _Inputs((item.id for item in enumerate_items(inputs)), skipped)
    failed = count = 0
    for record in _records(output):
        count += 1
        if not walk.holds(str(record.get("id"))):
            raise _other(output, "of other inputs")
        failed += _is_failure(record, output, made)
    if not walk.at_end() and not (head is not None and count >= head):
        raise _other(output, "of fewer inputs")
    return failed


def _other(output: str, how: str) -> Fatal:
    return Fatal(USAGE, f"{output} was made {how}; start over without --resume")


class _Inputs:
    """The ids of the inputs in order, walked along with the records that came of them."""

    def __init__(self, ids: Iterator[str], skipped: bool) -> None:
        self._ids = ids
        self._skipped = skipped
        self._now: str | None = None
        self._next = next(ids, None)
        self._seen = True

    def holds(self, record: str) -> bool:
        """Whether the record is of the input at hand, or of the one after it."""
        while self._now is None or record == self._next or not _is_of(record, self._now):
            if self._next is None or not (self._seen or self._skipped):
                return False
            self._now, self._next, self._seen = self._next, next(self._ids, None), False
        self._seen = True
        return True

    def at_end(self) -> bool:
        """Whether every input has its record."""
        return self._skipped or (self._seen and self._next is None)


def _is_of(record: str, given: str) -> bool:
    """Whether an id is that of an input, of one of its recordings, or of a segment."""
    return record.startswith(given) and record[len(given) : len(given) + 1] in ("", "#", "@")


def _records(output: str) -> Iterator[dict[str, Any]]:
    options = InputOptions([output])
    try:
        yield from map(_record, enumerate_items(options))
    finally:
        options.close()


def _record(item: Item) -> dict[str, Any]:
    if item.kind == "row":
        from medpipe.formats.hdf5 import read_record

        return read_record(item.path, item.number)
    try:
        found = orjson.loads(item.payload) if item.kind in ("line", "cells") else None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise _other(item.path, "by something else, or is damaged")
    return found


def _is_failure(record: dict[str, Any], output: str, made: Made) -> bool:
    if "error" in record:
        error = record["error"]
        return isinstance(error, dict) and error.get("command") == made.command
    via = record.get("via")
    said = str(via[-1]) if isinstance(via, list) and via else ""
    if not (said.startswith(f"{made.command} ") and said.endswith(f" options={made.digest}")):
        raise _other(output, "by another command or with other options")
    if made.model and not said.endswith(f" model={made.model} options={made.digest}"):
        raise _other(output, f"by another model than {made.model}")
    return False

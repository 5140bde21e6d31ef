"""Windows of one run as one input, for methods that go through a run from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

# As cli.inputs finds them: kind, id, path, number, payload.
Found = tuple[str, str, str, int, bytes]
_KINDS = {"line": "lines", "row": "rows", "spooled": "rows"}


def by_run(found: Iterable[Found]) -> Iterator[Found]:
    """Lines and rows that follow each other and are of one run, together; others as they are.

    What names no run, such as a torn line, stays with those before it. A run whose windows are scattered over the
    stream fails from its second part on: nothing of it is known any more.
    """
    gathered: list[Found] = []
    now: str | None = None
    seen: set[int] = set()
    for one in found:
        run = _run_of(one)
        if gathered and run in (None, now) and _alike(one, gathered[0]):
            gathered.append(one)
            continue
        yield from _together(gathered, now, seen)
        gathered, now = [one], run
    yield from _together(gathered, now, seen)


def _alike(one: Found, other: Found) -> bool:
    return one[0] == other[0] and one[2] == other[2]


def _run_of(one: Found) -> str | None:
    """The run of a window, where it says one."""
    kind, _, path, number, payload = one
    record: Any = None
    if kind == "line":
        try:
            record = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None
    elif kind in _KINDS:
        from medpipe.formats.errors import FormatError
        from medpipe.formats.hdf5 import read_record

        try:
            record = read_record(path, number)
        except FormatError:
            return None
    named = record.get("parent", record.get("story")) if isinstance(record, dict) else None
    return named if isinstance(named, str) else None


def _together(gathered: list[Found], run: str | None, seen: set[int]) -> Iterator[Found]:
    if not gathered:
        return
    if run is None:
        yield from gathered
        return
    kind, _, path, number, _ = gathered[0]
    if hash(run) in seen:
        message = f"scattered\nother windows of {run} came before: the windows of a run must stand together"
        yield from (("failed", ident, where, place, message.encode()) for _, ident, where, place, _ in gathered)
        return
    seen.add(hash(run))
    parts = [
        orjson.dumps(ident) + b"\t" + (line.rstrip(b"\n") if kind == "line" else str(place).encode())
        for _, ident, _, place, line in gathered
    ]
    yield _KINDS[kind], run, path, number, b"\n".join(parts)


def parts_of(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """The id of each window of an input, and its line or the number of its row."""
    for part in payload.split(b"\n"):
        ident, _, rest = part.partition(b"\t")
        yield orjson.loads(ident), rest

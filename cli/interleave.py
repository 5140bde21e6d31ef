"""The shards of one run put back in order: byte for byte what one process writes."""

from __future__ import annotations

import heapq
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import typer

from medpipe.cli.exits import BAD_STREAM, GOOD, NO_STREAM, SOME_FAILED, Fatal
from medpipe.cli.options import RunOptions
from medpipe.cli.output import FileOutput
from medpipe.cli.process import Done, Encode
from medpipe.cli.target import choose
from medpipe.formats.compress import decompression_errors, open_decompressed
from medpipe.formats.errors import FormatError
from medpipe.formats.hdf5 import FORMAT_ATTRIBUTE, count_records, open_file, read_record
from medpipe.formats.jsonl import Record, decode, read_lines

_POSITION = re.compile(rb',"position":(\d+)\}\s*$')
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_Piece = tuple[int, bytes | Record]


def interleave(command: str, run: RunOptions) -> int:
    """Merge the shards named in `run` by the positions that their records carry."""
    shards = run.inputs or []
    if not shards or "-" in shards or run.files_from or run.resume or run.shard:
        raise typer.BadParameter("--interleave takes the shards' files, and neither --shard nor --resume")
    target = choose(run.output, None)
    digest = "interleave"
    output = target.open(command, digest, digest, resume=False)
    if isinstance(output, FileOutput):
        output.provenance |= _provenance(shards[0])
    folder = None if target.path is None else target.path.resolve().parent
    gaps = Gaps()
    for done in _merged(shards, target.encode, gaps, folder, lines=not target.arrays):
        output.write([done])
    output.finish()
    if gaps.count and not run.quiet:
        print(f"{command}: {gaps}; is a shard missing, or was --on-error skip given?", file=sys.stderr)
    return SOME_FAILED if gaps.count else GOOD


@dataclass(slots=True)
class Gaps:
    """Positions of inputs that no shard holds."""

    count: int = 0
    first: int = -1

    def note(self, before: int, position: int) -> None:
        """Two positions that follow each other in the merged stream."""
        if position > before + 1:
            self.first = before + 1 if not self.count else self.first
            self.count += position - before - 1

    def __str__(self) -> str:
        return f"{self.count} inputs are in none of these shards, the first at position {self.first}"


def _merged(shards: list[str], encode: Encode, gaps: Gaps, folder: Path | None, *, lines: bool) -> Iterator[Done]:
    last = (-1, -1)
    makers = Makers(shards)
    tagged = [_tagged(number, _pieces(path)) for number, path in enumerate(shards)]
    for position, shard, piece in heapq.merge(*tagged, key=lambda one: one[:2]):
        if position == last[0] and shard != last[1]:
            raise Fatal(BAD_STREAM, f"{shards[shard]} and {shards[last[1]]} both hold input {position}")
        gaps.note(last[0], position)
        makers.note(shard, piece)
        last = position, shard
        if lines and isinstance(piece, bytes):
            yield Done([(_at_home(piece, Path(shards[shard]).resolve().parent, folder), [])])
            continue
        record = decode(piece, Path(shards[shard]).parent) if isinstance(piece, bytes) else piece
        yield Done([encode(record)])


class Makers:
    """What made each shard: Fatal 65 when two of them are of different runs."""

    def __init__(self, shards: list[str]) -> None:
        self._shards = shards
        self._found: dict[int, str] = {}

    def note(self, shard: int, piece: bytes | Record) -> None:
        """One of a shard's records; the first that tells is enough."""
        if shard in self._found or (made_by := _maker(piece)) is None:
            return
        for other, its in self._found.items():
            if its != made_by:
                names = f"{self._shards[other]} ({its}) and {self._shards[shard]} ({made_by})"
                raise Fatal(BAD_STREAM, f"{names} are of different runs: not put together")
        self._found[shard] = made_by


def _maker(piece: bytes | Record) -> str | None:
    """Command, version and options of the last hand that a record went through; None for an error record."""
    try:
        record: Any = orjson.loads(piece) if isinstance(piece, bytes) else piece
    except orjson.JSONDecodeError:
        return None
    via = None if "error" in record else record.get("via")
    words = str(via[-1]).split() if isinstance(via, list) and via else []
    return " ".join([*words[:2], *(word for word in words[2:] if word.startswith("options="))]) or None


def _at_home(line: bytes, found_in: Path, folder: Path | None) -> bytes:
    """The line, its references to HDF5 files made anew when it moves to another folder."""
    if b'"h5":"' not in line or folder == found_in:
        return line
    record = orjson.loads(line)
    for value in record.values():
        if isinstance(value, dict) and isinstance(value.get("h5"), str):
            file = found_in / value["h5"]
            value["h5"] = str(file) if folder is None else os.path.relpath(file, folder)
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _tagged(number: int, pieces: Iterable[_Piece]) -> Iterator[tuple[int, int, bytes | Record]]:
    for position, piece in pieces:
        yield position, number, piece


def _pieces(path: str) -> Iterator[_Piece]:
    """Position and line, or position and record of an HDF5 row, of each record of a shard; Fatal 65 and 66."""
    try:
        raw = io.BufferedReader(io.FileIO(path), 1 << 20)
    except OSError as error:
        raise Fatal(NO_STREAM, f"{path}: {error.strerror}") from None
    before = -1
    try:
        pieces = _rows(path) if raw.peek(8).startswith(_HDF5_MAGIC) else _lines(open_decompressed(raw), path)
        for position, piece in pieces:
            if position < before:
                raise Fatal(BAD_STREAM, f"{path}: its records are not in the order of their inputs")
            before = position
            yield position, piece
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{path}: {error}") from None
    except decompression_errors():
        raise Fatal(BAD_STREAM, f"{path}: damaged or cut short") from None


def _lines(stream: io.BufferedReader[Any], path: str) -> Iterator[_Piece]:
    for number, line in read_lines(stream):
        found = _POSITION.search(line, max(0, len(line) - 40))
        if found is None:
            raise Fatal(BAD_STREAM, f"{path}: line {number} has no position; was it written with --shard?")
        yield int(found[1]), line[: found.start()] + b"}\n"


def _rows(path: str) -> Iterator[_Piece]:
    for row in range(count_records(path)):
        record = read_record(path, row)
        position = record.pop("position", None)
        if type(position) is not int:
            raise Fatal(BAD_STREAM, f"{path}: row {row} has no position; was it written with --shard?")
        yield position, record


def _provenance(path: str) -> dict[str, str]:
    """What the first shard says of its making, where it is HDF5."""
    with suppress(FormatError):
        attributes = open_file(path).attrs
        return {name: str(value) for name, value in attributes.items() if name != FORMAT_ATTRIBUTE}
    return {}

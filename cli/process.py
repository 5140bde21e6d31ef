"""One batch of inputs through one command: load, transform, encode. Runs in the workers."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from medpipe.cli.exits import Fatal
from medpipe.cli.inputs import Item
from medpipe.cli.load import Failed as Failed
from medpipe.cli.load import error_record, load, load_run
from medpipe.core.errors import InputError
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record, encode
from medpipe.formats.registry import ReadOptions

# A transform takes records and gives, for each, what came of it: records, or why it failed.
Outcome = Iterable[Record | Failed] | Exception
Transform = Callable[[Sequence[Record]], Iterable[Outcome]]
Line = tuple[bytes, list[bytes]]
Encode = Callable[[Record], Line]
EXPECTED = (FormatError, InputError)
Failure = TypeVar("Failure", bound=Exception)
# So much output is gathered, or for so long, before it is handed on.
_PIECE_BYTES = 2**20
_PIECE_SECONDS = 0.1


class Done(NamedTuple):
    """One finished input, or with `more` a piece of one: its output lines with their raw arrays, how it went."""

    lines: list[Line]
    failure: str = ""  # type of the error, "" when good
    message: str = ""
    passed: int = 0  # error records from upstream that went through
    more: bool = False
    sound: int = 0  # of these lines, how many stand before the failure
    finished: int = 0  # of a piece that ends between two records of a file, how many of them are behind it

    def first(self, count: int) -> Done:
        """The input cut off after so many of these lines; a failure that lies behind them is none."""
        kept = self._replace(lines=self.lines[:count], more=False)
        return kept._replace(failure="", message="") if count <= self.sound else kept


@dataclass(slots=True)
class Processor:
    """Everything a worker needs to turn items into output lines."""

    command: str
    transform: Transform
    via: Callable[[Record], str]
    encode: Encode
    read: ReadOptions = field(default_factory=ReadOptions)
    keep_source: bool = True
    on_error: str = "record"
    sharded: bool = False
    debug: bool = False
    model: str = ""  # that the options name, where it is known before there is a record

    def __call__(self, items: Sequence[Item]) -> Iterator[list[Done]]:
        """Finish a batch, in order; what is large comes in pieces."""
        loaded = [self._load(item) for item in items]
        read = [record for outcome in loaded if not isinstance(outcome, Exception) for record in outcome]
        good = [record for record in read if not isinstance(record, Failed)]
        outcomes = self._transform([record for record in good if "error" not in record])
        done: list[Done] = []
        size, began = 0, time.monotonic()
        for item, records in zip(items, loaded, strict=True):
            for piece in self._finish(item, self._parts(records, outcomes)):
                done.append(piece)
                size += sum(len(line) + sum(map(len, blobs)) for line, blobs in piece.lines)
                if size > _PIECE_BYTES or time.monotonic() - began > _PIECE_SECONDS:
                    yield done
                    done, size, began = [], 0, time.monotonic()
        yield done

    @staticmethod
    def _parts(
        records: Sequence[Record | Failed] | Exception, outcomes: Iterator[Outcome]
    ) -> Iterator[tuple[Record | None, Outcome, bool]]:
        """Records with what came of them, made as they are asked for, and whether it is the last."""
        if isinstance(records, Exception):
            yield None, records, True
            return
        for place, record in enumerate(records, 1):
            last = place == len(records)
            if isinstance(record, Failed):
                yield None, [record], last
            else:
                yield record, [record] if "error" in record else next(outcomes), last

    def _load(self, item: Item) -> Sequence[Record | Failed] | Exception:
        try:
            if item.kind in ("lines", "rows"):
                return list(load_run(item, keep_source=self.keep_source))
            return load(item, self.read, keep_source=self.keep_source)[item.skip :]
        except Exception as error:
            return self._expected(error)

    def _transform(self, records: list[Record]) -> Iterator[Outcome]:
        if not records:
            return
        given = 0
        try:
            for outcome in self.transform(records):
                yield outcome
                given += 1
            return
        except Exception as error:
            if len(records) == 1 or isinstance(error, Fatal):
                yield self._expected(error)
                return
        # One of them broke the batch: find out which by taking them singly.
        for record in records[given:]:
            yield from self._transform([record])

    def _unexpected(self, error: Exception) -> Exception:
        if self.debug:
            traceback.print_exception(error, file=sys.stderr)
        return FormatError("internal", f"unexpected {type(error).__name__}; -vv shows where")

    def _finish(self, item: Item, parts: Iterable[tuple[Record | None, Outcome, bool]]) -> Iterator[Done]:
        lines: list[Line] = []
        size, sound, failure, message, passed = 0, 0, "", "", 0
        began, finished = time.monotonic(), item.skip
        for record, outcome, last in parts:
            upstream = record is not None and "error" in record
            passed += upstream
            for line in self._lines(item, outcome, upstream):
                if isinstance(line, Failed):
                    failed = self._error(item, line.record or record, line.error)
                    failure, message = failed["error"]["type"], f"{failed['id']}: {failed['error']['message']}"
                    encoded = self.encode(self._numbered(failed, item))
                else:
                    encoded = line
                if self.on_error == "skip" and (upstream or isinstance(line, Failed)):
                    continue
                lines.append(encoded)
                sound += not failure
                size += len(encoded[0]) + sum(map(len, encoded[1]))
                if size > _PIECE_BYTES:
                    yield Done(lines, failure, message, more=True, sound=sound)
                    lines, size, sound = [], 0, 0
            finished += 1
            if item.kind == "file" and not last and time.monotonic() - began > _PIECE_SECONDS:
                yield Done(lines, failure, message, more=True, sound=sound, finished=finished)
                lines, size, sound, began = [], 0, 0, time.monotonic()
        yield Done(lines, failure, message, passed, sound=sound)

    def _error(self, item: Item, record: Record | None, error: Exception) -> Record:
        return error_record(item, record, self.command, error, keep_source=self.keep_source)

    def _lines(self, item: Item, outcome: Outcome, upstream: bool) -> Iterator[Line | Failed]:
        """Encoded records and failures; what goes wrong with one record leaves those after it alone."""
        if isinstance(outcome, Exception):
            yield Failed(None, outcome)
            return
        records = iter(outcome)
        while True:
            try:
                record = next(records, None)
            except Exception as error:
                yield Failed(None, self._expected(error))
                return
            if record is None:
                return
            yield record if isinstance(record, Failed) else self._line(item, record, upstream)

    def _line(self, item: Item, record: Record, upstream: bool) -> Line | Failed:
        try:
            made = record if upstream else {**record, "via": [*_via(record), self.via(record)]}
            return self.encode(self._numbered(made, item))
        except Exception as error:
            return Failed(record, self._expected(error))

    def _expected(self, error: Exception) -> Exception:
        """The error as it goes into a record; what ends the whole run is raised again."""
        if isinstance(error, Fatal):
            raise error
        return bare(error) if isinstance(error, EXPECTED) else self._unexpected(error)

    def _numbered(self, record: Record, item: Item) -> Record:
        # Last in the line, where putting shards back in order can find it and take it out.
        given = record.pop("position", None)
        if self.sharded or given is not None:
            record["position"] = item.position if self.sharded else given
        return record


def _via(record: Record) -> list[Any]:
    via = record.get("via", [])
    if not isinstance(via, list):
        raise FormatError("bad-value", "via is not a list")
    return via


def bare(error: Failure) -> Failure:
    """The error without its traceback, whose frames would keep a whole batch of signals until the next collection."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def encode_line(record: Record) -> Line:
    """A JSON line with its arrays inline."""
    return encode(record), []


def one_by_one(function: Callable[[Record], Iterable[Record]]) -> Transform:
    """A transform of a function of one record, which may make its records one after another."""

    def transform(records: Sequence[Record]) -> Iterable[Outcome]:
        for record in records:
            try:
                yield function(record)
            except EXPECTED as error:
                yield bare(error)

    return transform

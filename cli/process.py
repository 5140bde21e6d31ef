"""One batch of inputs through one command: load, transform, encode. Runs in the workers."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from medpipe.cli.inputs import Item
from medpipe.cli.load import error_record, load
from medpipe.core.errors import InputError
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record, encode
from medpipe.formats.registry import ReadOptions

# A transform takes records and gives, for each, what came of it: records, or why it failed.
Outcome = list[Record] | Exception
Transform = Callable[[Sequence[Record]], Iterable[Outcome]]
Encode = Callable[[Record], tuple[bytes, list[bytes]]]
EXPECTED = (FormatError, InputError)


class Done(NamedTuple):
    """One finished input: its output lines with their raw arrays, and how it went."""

    lines: list[tuple[bytes, list[bytes]]]
    failure: str  # type of the error, "" when good
    message: str
    passed: int  # error records from upstream that went through


@dataclass(slots=True)
class Processor:
    """Everything a worker needs to turn items into output lines."""

    command: str
    transform: Transform
    via: str
    encode: Encode
    read: ReadOptions = field(default_factory=ReadOptions)
    keep_source: bool = True
    on_error: str = "record"
    sharded: bool = False
    debug: bool = False

    def __call__(self, items: Sequence[Item]) -> list[Done]:
        """Finish a batch, in order."""
        loaded = [self._load(item) for item in items]
        good = [record for outcome in loaded if isinstance(outcome, list) for record in outcome]
        work = [record for record in good if "error" not in record]
        outcomes = iter(self._transform(work))
        done = []
        for item, records in zip(items, loaded, strict=True):
            parts: list[tuple[Record | None, Outcome]]
            if isinstance(records, Exception):
                parts = [(None, records)]
            else:
                parts = [(one, [one] if "error" in one else next(outcomes)) for one in records]
            done.append(self._finish(item, parts))
        return done

    def _load(self, item: Item) -> Outcome:
        try:
            return load(item, self.read, keep_source=self.keep_source)
        except EXPECTED as error:
            return error
        except Exception as error:
            return self._unexpected(error)

    def _transform(self, records: list[Record]) -> list[Outcome]:
        if not records:
            return []
        try:
            return list(self.transform(records))
        except Exception as error:
            if len(records) == 1:
                return [error if isinstance(error, EXPECTED) else self._unexpected(error)]
        # One of them broke the batch: find out which by taking them singly.
        return [outcome for record in records for outcome in self._transform([record])]

    def _unexpected(self, error: Exception) -> Exception:
        if self.debug:
            traceback.print_exception(error, file=sys.stderr)
        return FormatError("internal", f"unexpected {type(error).__name__}; -vv shows where")

    def _finish(self, item: Item, parts: list[tuple[Record | None, Outcome]]) -> Done:
        lines: list[tuple[bytes, list[bytes]]] = []
        failure, message, passed = "", "", 0
        for record, outcome in parts:
            upstream = record is not None and "error" in record
            passed += upstream
            encoded = self._encode(item, outcome, upstream) if isinstance(outcome, list) else outcome
            if isinstance(encoded, Exception):
                failed = error_record(item, record, self.command, encoded, keep_source=self.keep_source)
                failure, message = failed["error"]["type"], f"{failed['id']}: {failed['error']['message']}"
                encoded = [self.encode(self._numbered(failed, item))] if self.on_error != "skip" else []
            elif upstream and self.on_error == "skip":
                encoded = []
            lines.extend(encoded)
        return Done(lines, failure, message, passed)

    def _encode(
        self, item: Item, records: list[Record], upstream: bool
    ) -> list[tuple[bytes, list[bytes]]] | Exception:
        try:
            for record in records:
                if not upstream:
                    record["via"] = [*record.pop("via", []), self.via]
            return [self.encode(self._numbered(record, item)) for record in records]
        except EXPECTED as error:
            return error
        except Exception as error:
            return self._unexpected(error)

    def _numbered(self, record: Record, item: Item) -> Record:
        if self.sharded:
            record.pop("position", None)
            record["position"] = item.position
        return record


def encode_line(record: Record) -> tuple[bytes, list[bytes]]:
    """A JSON line with its arrays inline."""
    return encode(record), []


def one_by_one(function: Callable[[Record], Iterable[Record]]) -> Transform:
    """A transform of a function of one record; its expected failures become outcomes."""

    def transform(records: Sequence[Record]) -> Iterable[Outcome]:
        for record in records:
            try:
                yield list(function(record))
            except EXPECTED as error:
                yield error

    return transform

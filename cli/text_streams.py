"""Texts by id of a stream, and of the truth its stories and times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medpipe.cli.box_truth import is_stream
from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items
from medpipe.cli.load import load
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

_FORCED = "teacher_forced"


@dataclass(slots=True)
class TextStream:
    """Texts by id, in the stream's order, and how many records were errors.

    Of the ids, those `seen` are of stories that the model has learnt from; those `told` were written from the true
    text, by the text stage of a model.
    """

    path: str
    texts: dict[str, str] = field(default_factory=dict)
    errors: int = 0
    seen: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class TrueTexts(TextStream):
    """Texts with the story of each, and its time; either is empty where no record tells it."""

    stories: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)


def read_texts(paths: Sequence[str], key: str) -> TextStream:
    """What was decoded, without the true text in sight. Fatal 65 and 66 when it cannot be scored."""
    path = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    found = TextStream(path)
    for record in _records(paths, found):
        if record.get(_FORCED):
            raise Fatal(
                BAD_STREAM, f"{path}: {record['id']} is {_FORCED}: such text repeats what it was given; decode freely"
            )
        found.texts[record["id"]] = _text(record, key, path)
        if record.get("seen"):
            found.seen.add(record["id"])
        decoder = record.get("decoder")
        if isinstance(decoder, dict) and decoder.get("prompt") == "text":
            found.told.add(record["id"])
    _check(found, key)
    return found


def read_true_texts(path: str, key: str, by: str, order: str) -> TrueTexts:
    """What was there. Fatal 65 and 66 when it cannot serve."""
    found = TrueTexts(path)
    for record in _records([path], found):
        ident = record["id"]
        found.texts[ident] = _text(record, key, path)
        if record.get(by) is not None:
            found.stories[ident] = str(record[by])
        if record.get(order) is not None:
            found.times[ident] = _time(record, order, path)
    for name, told in ((by, found.stories), (order, found.times)):
        if told and len(told) < len(found.texts):
            lacking = next(ident for ident in found.texts if ident not in told)
            raise Fatal(BAD_STREAM, f"{path}: {lacking} has no {name}, which others have")
    _check(found, key)
    return found


def holds_texts(path: str, key: str) -> bool:
    """Whether a file is a stream of which the first good record has text, and is no image with boxes."""
    if not Path(path).is_file() or not is_stream(path):
        return False
    record = next(_records([path], TextStream(path)), {})
    return key in record and "boxes" not in record


def _records(paths: Sequence[str], found: TextStream) -> Iterator[Record]:
    """The good records of a stream, each id once."""
    for path in paths:
        if path != "-" and not Path(path).is_file():
            raise Fatal(NO_STREAM, f"{path}: no such file")
    options, where = InputOptions(list(paths)), paths[0]
    try:
        for item in enumerate_items(options):
            where = item.path if len(paths) > 1 else where
            record = load(item, ReadOptions(), keep_source=False)[0]
            if "error" in record:
                found.errors += 1
            else:
                yield record
    except FormatError as error:
        said = str(error)
        raise Fatal(BAD_STREAM, said if said.startswith(where) else f"{where}: {said}") from None
    finally:
        options.close()


def _check(found: TextStream, key: str) -> None:
    if not found.texts:
        said = f"all {found.errors} records are errors" if found.errors else f"holds no record with {key}"
        raise Fatal(BAD_STREAM, f"{found.path}: {said}")


def _text(record: Record, key: str, path: str) -> str:
    text = record.get(key)
    if not isinstance(text, str):
        raise Fatal(BAD_STREAM, f"{path}: {record['id']} has {'no' if text is None else 'something else as'} {key}")
    return text


def _time(record: Record, order: str, path: str) -> float:
    value: Any = record[order]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Fatal(BAD_STREAM, f"{path}: {record['id']} has as {order} no finite number")
    return float(value)

"""From an input to its records, and from a failure to its error record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from medpipe.cli.inputs import Item
from medpipe.cli.run_items import parts_of
from medpipe.formats.arrays import is_array
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record, decode
from medpipe.formats.record import SIGNAL_KEYS
from medpipe.formats.registry import ReadOptions, open_file

# As messages give them: a name with a suffix, or the name of a segment.
_FILE_NAME = re.compile(r"(?<=segment )[^\s,;]+|[^\s,;:`]+\.[A-Za-z][A-Za-z0-9]{0,7}(?![\w.])")


class Failed(NamedTuple):
    """A record that came to nothing, and why; without a record it is the one that was read."""

    record: Record | None
    error: Exception


def load(item: Item, options: ReadOptions, *, keep_source: bool) -> list[Record]:
    """The records of an input, arrays of files and HDF5 rows not yet read.

    Raises:
        FormatError: the input is bad; its message names the cause.
    """
    if item.kind == "failed":
        kind, message = item.payload.decode().split("\n", 1)
        raise FormatError(kind, message)
    if item.kind == "repeat":
        kind, ident = item.payload.decode().split("\n", 1)
        why = ": ids are paths without suffix (--id), so give each file once and in one form" if kind == "file" else ""
        raise FormatError("duplicate-id", f"the id {ident} came before in this run{why}")
    if item.kind in ("line", "cells"):
        folder = None if item.path == "-" else Path(item.path).parent
        return [_named(decode(item.payload, folder), item.id, keep_source)]
    if item.kind in ("row", "spooled"):
        from medpipe.formats.hdf5 import read_record

        return [_named(read_record(item.path, item.number), item.id, keep_source)]
    return _from_file(item, options, keep_source)


def load_run(item: Item, *, keep_source: bool) -> Iterator[Record | Failed]:
    """The windows of an input of the kind `lines` or `rows`; one that cannot be read leaves the others alone."""
    from medpipe.formats.hdf5 import read_record

    folder = None if item.path == "-" else Path(item.path).parent
    for ident, part in parts_of(item.payload):
        try:
            record = decode(part, folder) if item.kind == "lines" else read_record(item.path, int(part))
            yield _named(record, ident, keep_source)
        except FormatError as error:
            yield Failed({"id": ident}, error)


def _named(record: Record, ident: str, keep_source: bool) -> Record:
    named: Record = {"id": ident} | {key: value for key, value in record.items() if key != "id"}
    if not keep_source:
        named.pop("source", None)
    # Tables turned into JSON have a null for every record that did not fail.
    if "error" in named and named["error"] is None:
        del named["error"]
    return named


def _from_file(item: Item, options: ReadOptions, keep_source: bool) -> list[Record]:
    from medpipe.formats.image import Image, image_record
    from medpipe.formats.record import ecg_record
    from medpipe.formats.series import Series, series_record
    from medpipe.formats.sniff import sniff

    if options.series and Path(item.path).is_dir():
        said = f"{_text(item.path)} is a folder: give its images, or to fmri-extract --bids FOLDER --subject LABEL"
        raise FormatError("folder", said)
    found = open_file(item.path, sniff(item.path), options)
    if not found:
        raise FormatError("empty", "the file holds no recording")
    records = []
    for index, one in enumerate(found):
        several = len(found) > 1
        source: dict[str, Any] = {"path": _text(item.path), "format": one.format}
        if several:
            source["index"] = index
        ident, named = f"{item.id}#{index}" if several else item.id, source if keep_source else None
        if isinstance(one, Image):
            records.append(image_record(one, ident, named))
        elif isinstance(one, Series):
            records.append(series_record(one, ident, named))
        else:
            records.append(ecg_record(one, item.path, ident, named))
    return records


def _text(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def error_record(item: Item, record: Record | None, command: str, error: Exception, *, keep_source: bool) -> Record:
    """What stands in the stream for a record that failed: its light keys and the cause."""
    kind = getattr(error, "kind", type(error).__name__)
    message = _text(" ".join(str(error).split()))
    if not keep_source:
        message = _without_names(message, _text(item.path))
    failed: Record = {"id": item.id}
    if record is not None:
        failed = {key: value for key, value in record.items() if not is_array(value) and key not in SIGNAL_KEYS}
    elif keep_source:
        failed["source"] = _source(item)
    failed["error"] = {"command": command, "type": kind, "message": message}
    return failed


def _source(item: Item) -> dict[str, Any]:
    source: dict[str, Any] = {"path": "-" if item.kind == "spooled" else _text(item.path)}
    if item.kind in ("line", "cells"):
        kind, first = ("csv", 2) if item.kind == "cells" else ("jsonl", 1)
        source |= {"format": kind, "index": item.number - first}
    elif item.kind in ("row", "spooled"):
        source |= {"format": "hdf5", "index": item.number}
    return source


def _without_names(message: str, path: str) -> str:
    """The message without names of files, the input's own and those that its header gives."""
    plain = Path(path)
    own = sorted({path, plain.name, plain.stem} - {"", "-"}, key=len, reverse=True)
    whole = "|".join(map(re.escape, own))
    return _FILE_NAME.sub("FILE", re.sub(rf"(?<![\w.-])(?:{whole})(?![\w-])", "FILE", message) if own else message)

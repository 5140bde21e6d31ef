"""JSON Lines: records to bytes and back, and the lines of a stream that may be torn."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from medpipe.formats.arrays import ArrayReference, decode_inline, encode_inline, is_array, parse_header
from medpipe.formats.errors import FormatError

Record = dict[str, Any]

LINE_LIMIT = 512 * 2**20
_PAYLOAD = b'"b64":"'
_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([^"\\]*)"')


def encode(record: Record) -> bytes:
    """One line, newline included; arrays inline. FormatError for an array above 64 MiB or a bad value."""
    plain = {key: encode_inline(value) if is_array(value) else value for key, value in record.items()}
    return dump(plain)


def dump(plain: Record) -> bytes:
    """One line of a record whose arrays are already JSON; NaN becomes null, numpy scalars plain numbers."""
    try:
        return orjson.dumps(plain, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise FormatError("bad-value", f"a value has no JSON form: {error}") from error


def decode(line: bytes, folder: Path | None = None) -> Record:
    """The record of a line, inline arrays as numpy arrays, references left unread.

    Args:
        line: the bytes of one line.
        folder: what relative references are relative to; the current folder when None.

    Raises:
        FormatError: the line is not a JSON object or an array in it is damaged.
    """
    pieces, payloads = _lift_payloads(line)
    try:
        record = orjson.loads(pieces)
    except orjson.JSONDecodeError as error:
        raise FormatError("bad-json", f"not JSON at column {error.colno}: {error.msg}") from None
    if not isinstance(record, dict):
        raise FormatError("bad-json", "a line must be a JSON object")
    used = 0
    for key, value in record.items():
        if not isinstance(value, dict) or "dtype" not in value:
            continue
        if "b64" in value:
            inline = value["b64"]
            lifted = payloads and isinstance(inline, str) and inline.startswith("\x00")
            record[key] = decode_inline(value, payloads[int(inline[1:])] if lifted else inline)
            used += bool(lifted)
        elif "h5" in value:
            record[key] = _reference(value, folder)
    if used != len(payloads):
        # Something else in the record has a b64 key: it must come back as it was.
        return decode(line.replace(_PAYLOAD, b'"b64": "'), folder)
    return record


def _lift_payloads(line: bytes) -> tuple[bytes, list[memoryview]]:
    """Take base64 text out before parsing: the parser need not build a string of it.

    The key cannot occur inside a JSON string, where its quotes would be escaped.
    """
    at = line.find(_PAYLOAD)
    if at < 0:
        return line, []
    view, done = memoryview(line), 0
    pieces: list[bytes] = []
    payloads: list[memoryview] = []
    while at >= 0:
        start = at + len(_PAYLOAD)
        stop = line.find(b'"', start)
        if stop < 0:
            break
        pieces.append(line[done:start] + b"\\u0000%d" % len(payloads))
        payloads.append(view[start:stop])
        done = stop
        at = line.find(_PAYLOAD, stop)
    pieces.append(line[done:])
    return b"".join(pieces), payloads


def _reference(spec: dict[str, Any], folder: Path | None) -> ArrayReference:
    dtype, shape = parse_header(spec)
    path, dataset, row = spec.get("h5"), spec.get("dataset"), spec.get("row")
    if not (isinstance(path, str) and isinstance(dataset, str) and type(row) is int and row >= 0):
        raise FormatError("bad-array", "an array reference needs h5, dataset and row")
    full = path if folder is None else str(folder / path)
    return ArrayReference(full, dataset, row, shape, np.dtype(dtype), _rows(spec.get("rows"), shape))


def _rows(value: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    if value is None:
        return None
    pair = isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)
    if not pair or not shape or not 0 <= value[0] <= value[1] or value[1] - value[0] != shape[0]:
        raise FormatError("bad-array", "rows of an array reference are not two numbers as far apart as its shape says")
    return value[0], value[1]


def read_id(line: bytes) -> str | None:
    """The id of a whole line without parsing all of it, when it stands first as our own writers put it."""
    match = _ID.match(line[:4096])
    if match is None or not line.rstrip().endswith(b"}"):
        return None
    try:
        return match.group(1).decode()
    except UnicodeDecodeError:
        return None


def read_lines(stream: io.BufferedReader[Any]) -> Iterator[tuple[int, bytes]]:
    """Line numbers from 1 and lines; blank lines and a leading byte-order mark are passed over.

    A line above 512 MiB comes as its first bytes only, so that it fails to parse in bounded memory.
    """
    number = 0
    while line := stream.readline(LINE_LIMIT):
        number += 1
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            line = line[:1024]
            while (rest := stream.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
                pass
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        if line.strip():
            yield number, line

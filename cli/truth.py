"""A truth table of labels: CSV or JSON Lines, rows by id, labels by column name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.formats.compress import decompression_errors, open_decompressed

_VALUES = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "true": 1.0, "false": 0.0, "": np.nan, "nan": np.nan}


@dataclass(slots=True)
class Truth:
    """Labels [rows, classes] as 0, 1 or NaN where unknown, the row of each id, the cluster of each row.

    `unclustered` rows name no cluster: each of them is one of its own.
    """

    names: list[str]
    rows: dict[str, int]
    labels: NDArray[np.float32]
    clusters: list[str] | None
    unclustered: int = 0


def read_truth(path: str, id_column: str, cluster_column: str | None, wanted: Iterable[str]) -> Truth:
    """Those of the `wanted` columns that the table has; Fatal 65 and 66 when it cannot serve."""
    table = _rows(path)
    columns = next(table)
    for needed in [id_column, *([cluster_column] if cluster_column else [])]:
        if needed not in columns:
            raise Fatal(BAD_STREAM, f"{path}: no column {needed}; there are {', '.join(map(str, columns[:12]))}")
    names = [name for name in wanted if name in columns]
    if not names:
        raise Fatal(BAD_STREAM, f"{path}: none of its columns is the name of a score; queries name scores")
    places = [columns.index(name) for name in names]
    ident_at, cluster_at = columns.index(id_column), columns.index(cluster_column) if cluster_column else -1
    rows: dict[str, int] = {}
    labels: list[list[float]] = []
    clusters: list[str] = []
    unclustered = 0
    for number, row in enumerate(table, 2):
        if row[ident_at] in (None, ""):
            raise Fatal(BAD_STREAM, f"{path}: row {number} has no {id_column}")
        ident = str(row[ident_at])
        if ident in rows:
            raise Fatal(BAD_STREAM, f"{path}: row {number} repeats an id of row {rows[ident] + 2}")
        rows[ident] = len(labels)
        labels.append([_label(row[at], path, number, columns[at]) for at in places])
        if cluster_column:
            cluster = "" if row[cluster_at] is None else str(row[cluster_at]).strip()
            clusters.append(cluster or f"row {number}")
            unclustered += not cluster
    return Truth(names, rows, np.array(labels, np.float32), clusters if cluster_column else None, unclustered)


def _label(value: Any, path: str, number: int, column: str) -> float:
    text = "" if value is None else str(value).strip().lower()
    if text not in _VALUES:
        raise Fatal(BAD_STREAM, f"{path}: row {number}, column {column}: a label is 0, 1, true, false or empty")
    return _VALUES[text]


def _rows(path: str) -> Iterator[list[Any]]:
    """The column names, then the rows."""
    try:
        raw = Path(path).open("rb")
    except OSError as error:
        raise Fatal(NO_STREAM, f"{path}: {error.strerror}") from None
    try:
        stream = open_decompressed(raw)
        start = stream.peek(16)[:16].removeprefix(b"\xef\xbb\xbf").lstrip()
        lines = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(stream))
        yield from _json_rows(lines, path) if start.startswith(b"{") else _csv_rows(lines, path)
    except UnicodeDecodeError:
        raise Fatal(BAD_STREAM, f"{path}: not UTF-8 text") from None
    except decompression_errors():
        raise Fatal(BAD_STREAM, f"{path}: damaged or cut short") from None


def _csv_rows(lines: Iterator[str], path: str) -> Iterator[list[Any]]:
    head = next(lines, "")
    delimiter = max(",;\t", key=head.count)
    if "\r" in head.rstrip("\r\n"):
        raise Fatal(BAD_STREAM, f"{path}: its lines end in CR alone; turn them into LF")
    columns = next(csv.reader([head], delimiter=delimiter), [])
    repeated = sorted({name for name in columns if columns.count(name) > 1 and name})
    if repeated:
        raise Fatal(BAD_STREAM, f"{path}: the column {repeated[0]} is there twice")
    yield columns
    number = 1
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter), 2):
            if row and len(row) != len(columns):
                raise Fatal(BAD_STREAM, f"{path}: row {number} has {len(row)} cells, the header {len(columns)}")
            if row:
                yield list(row)
    except csv.Error as error:
        raise Fatal(BAD_STREAM, f"{path}: row {number + 1}: {error}") from None


def _json_rows(lines: Iterator[str], path: str) -> Iterator[list[Any]]:
    columns: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise Fatal(BAD_STREAM, f"{path}: line {number} is not JSON") from None
        if not isinstance(record, dict):
            raise Fatal(BAD_STREAM, f"{path}: line {number} is not a JSON object")
        flat = record | record.get("labels", {}) if isinstance(record.get("labels"), dict) else record
        if not columns:
            columns = list(flat)
            yield list(columns)
        if set(flat) - set(columns):
            raise Fatal(BAD_STREAM, f"{path}: line {number} has keys that the first line has not")
        yield [flat.get(column) for column in columns]
    if not columns:
        raise Fatal(BAD_STREAM, f"{path}: holds no row")

"""The rows of a CSV or TSV file as records: of each the id and the columns that were asked for, nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.formats.compress import decompression_errors, open_decompressed
from medpipe.formats.ids import hash_id
from medpipe.formats.jsonl import dump

_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")
_DELIMITERS = ",;\t"
# A report is no book: longer cells are damage, such as a quote that is never closed.
_LONGEST = 2**20
# Kind, id, path, number of the row and line, as the inputs of a run are listed.
Row = tuple[str, str, str, int, bytes]


def is_table(path: str) -> bool:
    """Whether a file is a table by its name."""
    return path.lower().endswith(_TABLES)


def table_rows(
    path: str, name: str, columns: tuple[str, ...], scheme: str, stream: io.BufferedReader[Any] | None = None
) -> Iterator[Row]:
    """Each row as a line of a record stream, or why it is none.

    Args:
        path: of the table.
        name: before the row's number, where a row has no id.
        columns: to take. One that ends in `*` stands for all that begin so.
        scheme: of ids; the column is `id`, or the one that `key:NAME` names.
        stream: the table, decompressed, where it is in no file.

    Raises:
        Fatal: 66 when there is no such file, 65 when it has not the columns or is no table.
    """
    csv.field_size_limit(_LONGEST)
    key = scheme.removeprefix("key:") if scheme.startswith("key:") else "id"
    number = 1
    try:
        with ExitStack() as files:
            plain = stream or open_decompressed(files.enter_context(open(path, "rb")))
            text = io.TextIOWrapper(plain, "utf-8-sig", newline="")
            first = text.readline()
            rows = csv.reader(chain([first], text), delimiter=max(_DELIMITERS, key=first.count))
            head = next(rows, [])
            wanted = _places(head, columns, path)
            ident_at = _ident_place(head, key, scheme, path)
            for number, row in enumerate(rows, 2):
                if row:
                    yield _row(row, head, wanted, ident_at, path, f"{name}:{number}", number, scheme)
    except csv.Error as error:
        yield "failed", f"{name}:{number + 1}", path, number + 1, f"bad-value\nthe table is damaged: {error}".encode()
    except UnicodeDecodeError:
        raise Fatal(BAD_STREAM, f"{path}: not UTF-8 text") from None
    except FileNotFoundError:
        raise Fatal(NO_STREAM, f"{path}: no such file") from None
    except decompression_errors():
        yield "failed", f"{name}:{number + 1}", path, number + 1, b"truncated\nthe table ends early or is damaged"


def _places(head: list[str], columns: tuple[str, ...], path: str) -> list[int]:
    wanted = [
        place
        for column in columns
        for place, name in enumerate(head)
        if name == column or (column.endswith("*") and name.startswith(column[:-1]))
    ]
    if not wanted:
        named = ", ".join(columns)
        raise Fatal(BAD_STREAM, f"{path}: no column {named}; there are {', '.join(head[:12]) or 'none'}")
    return wanted


def _ident_place(head: list[str], key: str, scheme: str, path: str) -> int | None:
    if key in head:
        return head.index(key)
    if scheme.startswith("key:"):
        raise Fatal(BAD_STREAM, f"{path}: no column {key} for ids; there are {', '.join(head[:12])}")
    return None


def _row(
    row: list[str], head: list[str], wanted: list[int], ident_at: int | None, path: str, name: str, number: int,
    scheme: str,
) -> Row:  # fmt: skip
    if len(row) != len(head):
        message = f"bad-value\nrow {number} has {len(row)} cells, the header {len(head)}"
        return "failed", name, path, number, message.encode()
    ident = (row[ident_at] if ident_at is not None else "") or name
    if scheme == "hash":
        ident = hash_id(ident)
    return "cells", ident, path, number, dump({"id": ident, **{head[place]: row[place] for place in wanted}})

"""What a run reads: every input with its position and id, in order, none of them opened yet."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, USAGE, Fatal
from medpipe.cli.run_items import Found, by_run

# Suffixes whose content need not be looked at to know that the file is one recording.
_RECORDING = (".hea", ".dat", ".mat", ".edf", ".bdf", ".dcm", ".csv", ".tsv")
_STREAM = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_TABLES = (".csv", ".tsv")
_FOLDER_SUFFIXES = (".hea", ".edf", ".bdf", ".dcm", *_TABLES, ".h5", ".hdf5", *_STREAM)
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".nii", ".nii.gz")
_HDF5 = (".h5", ".hdf5", ".hf5")
_LONG = 4096
# Of the copy of an HDF5 image that came on standard input, gone when the run ends.
SPOOL_PREFIX = "medpipe-"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class Item(NamedTuple):
    """One input: a file, a line of a stream or a row of an HDF5 file."""

    position: int
    kind: str  # file, line, cells (a table row as a line), row, lines or rows (of a run), repeat or failed
    id: str
    path: str
    number: int  # of a line from 1, of a row from 0
    payload: bytes  # the line; of a failure the kind and message
    skip: int = 0  # records of a file that an earlier run has finished


@dataclass(slots=True)
class InputOptions:
    """Which inputs there are and how they are named.

    With `pictures`, folders are searched for pictures and volumes too, with `series` for responses alone. With
    `columns`, the rows of CSV and TSV files are records of these columns; without, such a file is a recording. With
    `runs`, windows of one run are one input.
    """

    inputs: list[str]
    files_from: str | None = None
    null: bool = False
    id_scheme: str = "path"
    shard: tuple[int, int] | None = None
    columns: tuple[str, ...] | None = None
    pictures: bool = False
    runs: bool = False
    series: bool = False
    _spool: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Remove the copy of an HDF5 image that came on standard input."""
        for path in self._spool:
            Path(path).unlink(missing_ok=True)


def list_paths(options: InputOptions) -> Iterator[str]:
    """The paths as given, folders expanded; Fatal 66 when the list cannot be read."""
    given: Iterable[str] = options.inputs
    if options.files_from is not None:
        given = _paths_from(options.files_from, options.null)
    for path in given:
        if options.series and Path(path).is_dir():
            yield from _responses_inside(path)
        elif path != "-" and Path(path).is_dir():
            yield from _inside(path, _FOLDER_SUFFIXES + _PICTURES if options.pictures else _FOLDER_SUFFIXES)
        else:
            yield path


def places(options: InputOptions) -> list[str]:
    """Where inputs lie, in whatever order they are named: folders of recordings, and streams; pipes lie nowhere."""
    given = options.inputs
    if options.files_from is not None:
        # A list on a pipe can be read once only, and that is the run's.
        listed = os.path.isfile(options.files_from)
        given = list(_paths_from(options.files_from, options.null)) if listed else []
    folders = {path for path in given if os.path.isdir(path)}
    files = (path for path in given if path not in folders and os.path.isfile(path))
    found = {os.path.dirname(path) if path.lower().endswith(_RECORDING) else path for path in files}
    return sorted({_utf8(os.path.realpath(path)) for path in folders | found})


def _paths_from(name: str, null: bool) -> Iterator[str]:
    try:
        stream = sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as error:
        raise Fatal(NO_STREAM, f"--files-from {name}: {error.strerror}") from None
    separator = b"\0" if null else b"\n"
    rest = b""
    while block := stream.read(1 << 16):
        *whole, rest = (rest + block).split(separator)
        yield from (os.fsdecode(path.rstrip(b"\r")) for path in whole if path.strip())
    if rest.strip():
        yield os.fsdecode(rest)


def _inside(folder: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """The recordings of a folder: those that its RECORDS lists, else every file with a suffix of theirs."""
    listing = Path(folder) / "RECORDS"
    if listing.is_file():
        for line in listing.read_text("utf-8", "surrogateescape").splitlines():
            name = line.strip()
            if name and not Path(name).is_absolute() and ".." not in Path(name).parts:
                yield from _listed(folder, name, suffixes)
        return
    found = 0
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for path in (str(Path(parent) / name) for name in sorted(files)):
            if path.lower().endswith(suffixes) and not _is_other_table(path):
                found += 1
                yield path
    if not found:
        raise Fatal(NO_STREAM, f"{folder}: no recording in this folder (looked for {', '.join(suffixes)})")


def _responses_inside(folder: str) -> Iterator[str]:
    """The index of a folder of runs, else its HDF5 files; else the folder itself, which then fails alone."""
    found = sorted(Path(folder).glob("records*.jsonl"))
    found = found or sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in _HDF5)
    yield from [str(one) for one in found] or [folder]


def _is_other_table(path: str) -> bool:
    """Whether a table beside recordings, such as one of patients or labels, is no recording itself."""
    if not path.lower().endswith(_TABLES):
        return False
    from medpipe.formats.ecg_csv import names_a_lead

    return not names_a_lead(path)


def _listed(folder: str, name: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    path = Path(folder) / name
    if name.endswith("/") or path.is_dir():
        yield from _inside(str(path), suffixes)
    else:
        yield str(path) if name.lower().endswith(suffixes) else f"{path}.hea"


def enumerate_items(options: InputOptions) -> Iterator[Item]:
    """Every input of this shard; repeated ids are found over all shards, so that shards agree with one run."""
    from medpipe.formats.ids import SeenIds

    seen = SeenIds()
    position = -1
    found = by_run(_all_items(options)) if options.runs else _all_items(options)
    for position, (kind, ident, path, index, payload) in enumerate(found):
        if not seen.add(ident):
            path = "-" if kind == "spooled" else path
            kind, payload, ident = "repeat", f"{kind}\n{ident}".encode(), seen.repeat_name(ident)
        if options.shard is None or position % options.shard[1] == options.shard[0]:
            yield Item(position, kind, ident, path, index, payload)


def _all_items(options: InputOptions) -> Iterator[Found]:
    from medpipe.cli.table_rows import is_table, table_rows
    from medpipe.formats.ids import path_id

    scheme = options.id_scheme
    file_scheme = scheme if scheme in ("path", "stem", "hash") else "path"
    for path in list_paths(options):
        if path == "-":
            yield from _standard_input(options)
            continue
        ident = _utf8(path_id(path, file_scheme))
        if options.columns is not None and is_table(path):
            yield from table_rows(path, ident, options.columns, scheme)
            continue
        stream = None if path.lower().endswith(_RECORDING) else _open_stream(path)
        if stream is None:
            if scheme.startswith("key:"):
                raise Fatal(USAGE, f"{path} is no record stream: --id {scheme} names records by a key of theirs")
            yield "file", ident, path, 0, b""
        elif stream == "hdf5":
            yield from _rows(path, path, ident, scheme)
        else:
            yield from _lines(stream, path, _utf8(path) if file_scheme == "path" else ident, scheme)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _open_stream(path: str) -> io.BufferedReader[Any] | Literal["hdf5"] | None:
    """A record stream's reader, "hdf5", or None for a file that is one recording or cannot be opened."""
    from medpipe.formats.compress import decompression_errors, open_decompressed

    try:
        raw = io.BufferedReader(io.FileIO(path), 1 << 20)
        if raw.peek(8).startswith(_HDF5_MAGIC):
            return "hdf5"
        plain = open_decompressed(raw)
        return plain if path.lower().endswith(_STREAM) or _looks_like_lines(plain) else None
    except decompression_errors():
        return None


def _looks_like_lines(stream: io.BufferedReader[Any]) -> bool:
    """Whether a line begins as a record does: the first, or one after a first that is torn."""
    start = stream.peek(1)
    if start[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") or b'\n{"' in start:
        return True
    # The end of a line of samples: long, and text.
    return len(start) > _LONG and b"\n" not in start and start.isascii() and start.decode().isprintable()


def _standard_input(options: InputOptions) -> Iterator[Found]:
    from medpipe.formats.compress import decompression_errors, open_decompressed

    try:
        stream = open_decompressed(io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False), 1 << 20))
        start = stream.peek(64)[:64]
    except decompression_errors():
        raise Fatal(BAD_STREAM, "standard input cannot be read or decompressed") from None
    if start.startswith(_HDF5_MAGIC):
        with tempfile.NamedTemporaryFile(prefix=SPOOL_PREFIX, suffix=".h5", delete=False) as spool:
            options._spool.append(spool.name)
            while block := stream.read(1 << 20):
                spool.write(block)
        yield from _rows(spool.name, "-", "stdin", options.id_scheme)
        return
    if start and not _looks_like_lines(stream):
        if options.columns is not None:
            from medpipe.cli.table_rows import table_rows

            yield from table_rows("-", "stdin", options.columns, options.id_scheme, stream)
            return
        raise Fatal(BAD_STREAM, "standard input is neither JSON Lines nor HDF5")
    yield from _lines(stream, "-", "stdin", options.id_scheme)


def _rows(path: str, shown: str, ident: str, scheme: str) -> Iterator[Found]:
    from medpipe.formats.errors import FormatError
    from medpipe.formats.hdf5 import count_records, iterate_ids

    try:
        count_records(path)
    except FormatError as error:
        if shown == "-":
            raise Fatal(BAD_STREAM, f"standard input: {error}") from None
    try:
        for row, name in enumerate(iterate_ids(path)):
            line = _row_line(path, row) if scheme.startswith("key:") else b""
            made = _stream_id(ident if name is None else name, line, scheme)
            if made is None:
                yield "failed", f"{ident}:{row}", shown, row, _without_key(scheme)
            else:
                yield "row" if shown == path else "spooled", made, path, row, b""
    except FormatError as error:
        yield "failed", ident, shown, 0, f"{error.kind}\n{error}".encode()


def _row_line(path: str, row: int) -> bytes:
    from medpipe.formats.hdf5 import read_record
    from medpipe.formats.jsonl import dump

    return dump({key: value for key, value in read_record(path, row).items() if not hasattr(value, "shape")})


def _lines(stream: io.BufferedReader[Any], path: str, name: str, scheme: str) -> Iterator[Found]:
    from medpipe.formats.compress import decompression_errors
    from medpipe.formats.jsonl import read_id, read_lines

    number = 0
    try:
        for number, line in read_lines(stream):
            ident = read_id(line) if scheme in ("path", "stem") else None
            ident = ident or _stream_id(None, line, scheme)
            if ident is None and scheme.startswith("key:"):
                yield "failed", f"{name}:{number}", path, number, _without_key(scheme)
            else:
                yield "line", ident or f"{name}:{number}", path, number, line
    except decompression_errors():
        message = b"truncated\nthe compressed stream ends early or is damaged"
        yield "failed", f"{name}:{number + 1}", path, number + 1, message


def _without_key(scheme: str) -> bytes:
    return f"no-id\nthe record has no {scheme.removeprefix('key:')}, which --id takes for its name".encode()


def _stream_id(ident: str | None, line: bytes, scheme: str) -> str | None:
    """The id of a record in a stream, given or under the key of the scheme; None when it has none."""
    from medpipe.formats.errors import FormatError
    from medpipe.formats.ids import hash_id
    from medpipe.formats.jsonl import decode

    key = scheme.removeprefix("key:") if scheme.startswith("key:") else "id"
    if ident is None or key != "id":
        try:
            value = decode(line).get(key) if line else None
        except FormatError:
            value = None
        ident = str(value) if isinstance(value, str | int) and value != "" else None
    return hash_id(ident) if ident is not None and scheme == "hash" else ident

"""Records written as a folder of WFDB files, with their index and the usual RECORDS list.

Workers may be ahead of what the run will keep, so they write into a folder of parts; the files of the records that
are in the index move to their places when the run is complete.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import orjson

from medpipe.cli.exits import WRITE_FAILED, Fatal
from medpipe.cli.output import FileOutput
from medpipe.cli.process import Encode, Line
from medpipe.cli.publish import publish
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record, dump
from medpipe.formats.record import SIGNAL_KEYS, lead_units, physical_signal

INDEX = "records.jsonl"
_INDEX_KEY = "record"
_IN_FILES = (*SIGNAL_KEYS, "beat_symbols")
_PARTS = f"{INDEX}.part.files"
_BEATS = ".atr"
_SUFFIXES = (".dat", _BEATS, ".hea")  # the header last: with it the record is there


def record_name(ident: str) -> str:
    """A relative WFDB record name for an id: its folders kept, nothing that could lead out of the folder.

    Where characters had to change, a digest of the id keeps two ids apart.
    """
    plain = ident.lstrip("/")
    parts = [re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in plain.split("/") if part not in ("", ".", "..")]
    name = "/".join(parts)
    if name != ident:
        name = f"{name or 'record'}-{hashlib.sha256(ident.encode()).hexdigest()[:8]}"
    return name


def encoder(folder: Path) -> Encode:
    """Writes the signal of a record and gives its line for the index."""

    def encode(record: Record) -> Line:
        if "error" in record:
            return dump(record), []
        name = record_name(record["id"])
        try:
            _write(folder / _PARTS / name, record)
        except OSError as error:
            raise Fatal(WRITE_FAILED, f"{folder / name}: {error.strerror}") from None
        light = {key: value for key, value in record.items() if not is_array(value) and key not in _IN_FILES}
        return dump({**light, _INDEX_KEY: name}), []

    return encode


def _write(path: Path, record: Record) -> None:
    from medpipe.formats.wfdb_write import write_wfdb

    if "signal" not in record:
        raise FormatError("not-an-ecg", "the record has no signal to write as WFDB")
    path.parent.mkdir(parents=True, exist_ok=True)
    signal, fs, leads = physical_signal(record)
    stored = record["signal"]
    counts = stored if record.get("gain") is not None else None
    write_wfdb(
        path.parent,
        path.name,
        signal,
        fs,
        leads,
        lead_units(record),
        digital=counts,
        gain=record.get("gain"),
        baseline=record.get("baseline"),
    )
    if is_array(record.get("beats")):
        from medpipe.formats.wfdb_annotation import write_beats

        beats = materialise(record["beats"])
        write_beats(path.with_name(path.name + _BEATS), beats, record.get("beat_symbols", []), fs)


def finish(output: FileOutput) -> None:
    """The index under its name, RECORDS with the names of those that are good, and their files."""
    folder = output.target.parent
    fresh = folder / "RECORDS.new"
    with fresh.open("w", encoding="utf-8") as stream:
        for line in output.lines():
            record = orjson.loads(line)
            if "error" not in record:
                _move(record[_INDEX_KEY], folder)
                stream.write(record[_INDEX_KEY] + "\n")
    shutil.rmtree(folder / _PARTS, ignore_errors=True)
    publish(fresh, folder / "RECORDS")
    publish(output.part, output.target)


def _move(name: str, folder: Path) -> None:
    """The files of one record to their places; those of an earlier try, cut short, are there already."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for suffix in _SUFFIXES:
        part = folder / _PARTS / (name + suffix)
        if part.exists():
            part.replace(folder / (name + suffix))

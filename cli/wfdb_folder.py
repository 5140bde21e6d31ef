"""Records written as a folder of WFDB files, with their index and the usual RECORDS list."""

from __future__ import annotations

import hashlib
import re
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

_INDEX_KEY = "record"


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
            _write(folder / name, record)
        except OSError as error:
            raise Fatal(WRITE_FAILED, f"{folder / name}: {error.strerror}") from None
        light = {key: value for key, value in record.items() if not is_array(value) and key not in SIGNAL_KEYS}
        return dump({**light, _INDEX_KEY: name}), []

    return encode


def _write(path: Path, record: Record) -> None:
    from medpipe.formats.wfdb_write import write_wfdb

    if "signal" not in record:
        raise FormatError("not-an-ecg", "the record has no signal to write as WFDB")
    path.parent.mkdir(parents=True, exist_ok=True)
    signal, fs, leads = physical_signal(record)
    stored = record["signal"]
    counts = materialise(stored) if record.get("gain") is not None else None
    write_wfdb(
        path.parent,
        path.name,
        materialise(signal),
        fs,
        leads,
        lead_units(record),
        digital=counts,
        gain=record.get("gain"),
        baseline=record.get("baseline"),
    )


def finish(output: FileOutput) -> None:
    """The index under its name, and RECORDS with the names of those that are good."""
    folder = output.target.parent
    fresh = folder / "RECORDS.new"
    with fresh.open("w", encoding="utf-8") as stream:
        for line in output.lines():
            record = orjson.loads(line)
            if "error" not in record:
                stream.write(record[_INDEX_KEY] + "\n")
    publish(fresh, folder / "RECORDS")
    publish(output.part, output.target)

"""Where runs go: one HDF5 file for one, a folder of them with an index that refers into them, or lines.

Workers may be ahead of what the run will keep, so they write parts, which move to their places in the end.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from medpipe.cli import finishers
from medpipe.cli.apart import apart
from medpipe.cli.exits import WRITE_FAILED, Fatal
from medpipe.cli.output import FileOutput
from medpipe.cli.process import Line
from medpipe.cli.publish import publish
from medpipe.cli.target import Target
from medpipe.cli.wfdb_folder import INDEX, record_name
from medpipe.formats.jsonl import Record, dump
from medpipe.formats.run_file import StoredResponses, create_run, finish_run, run_references, stamp_run


class RunFolder:
    """Runs as FOLDER/NAME.h5, with a record stream that refers to them."""

    def __init__(self, folder: Path, shard: tuple[int, int] | None) -> None:
        name = INDEX if shard is None else INDEX.replace(".", f".{shard[0]}-of-{shard[1]}.")
        self._index = folder / name
        self._parts = folder / f"{name}.part.files"

    def target(self) -> Target:
        """For the runner."""
        return Target(self._encode, self._index, self._finish)

    def create(self, ident: str, shape: tuple[int, int]) -> StoredResponses:
        """Room for the responses of one run."""
        path = self._parts / f"{record_name(ident)}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        apart(lambda: create_run(path, shape))
        return StoredResponses(path, shape)

    def _encode(self, record: Record) -> Line:
        return _encoded(record, f"{record_name(record['id'])}.h5")

    def _finish(self, output: FileOutput) -> None:
        folder = self._index.parent
        for line in output.lines():
            record = orjson.loads(line)
            if "responses" in record:
                name = record["responses"]["h5"]
                _place(self._parts / name, folder / name, output.provenance)
        shutil.rmtree(self._parts, ignore_errors=True)
        publish(output.part, output.target)


class RunFile:
    """One run as one file; where it failed, a file of its error record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # A name that the runner removes when it starts over.
        self._part = path.with_name(path.name + ".part.arrays")

    def target(self) -> Target:
        """For the runner."""
        return Target(self._encode, self._path, self._finish)

    def create(self, ident: str, shape: tuple[int, int]) -> StoredResponses:
        """Room for the responses of the run."""
        self._part.parent.mkdir(parents=True, exist_ok=True)
        apart(lambda: create_run(self._part, shape))
        return StoredResponses(self._part, shape)

    def _encode(self, record: Record) -> Line:
        return _encoded(record, self._path.name)

    def _finish(self, output: FileOutput) -> None:
        if any("responses" in orjson.loads(line) for line in output.lines()):
            _place(self._part, output.target, output.provenance)
        else:
            self._part.write_bytes(b"")
            finishers.hdf5(output)


def _encoded(record: Record, name: str) -> Line:
    stored = record.get("responses")
    if not isinstance(stored, StoredResponses):
        return dump(record), []
    try:
        apart(lambda: finish_run(stored.path, record))
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{name}: {error.strerror}") from None
    return dump(run_references(record, name)), []


def _place(part: Path, target: Path, provenance: dict[str, str]) -> None:
    """A finished part to its place; one of an earlier try, cut short, is there already."""
    if part.exists():
        apart(lambda: stamp_run(part, provenance))
        target.parent.mkdir(parents=True, exist_ok=True)
        publish(part, target)

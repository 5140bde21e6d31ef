"""The last pass over a finished part: plain, compressed, HDF5, or lines that refer to an HDF5 file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import orjson

from medpipe.cli.apart import apart
from medpipe.cli.output import FileOutput, Finisher
from medpipe.cli.publish import publish


def rename(output: FileOutput) -> None:
    """The part is the file."""
    publish(output.part, output.target)


def compress(output: FileOutput) -> None:
    """Gzip or Zstandard, by the target's suffix."""
    from medpipe.formats.compress import compress_file

    fresh = output.target.with_name(output.target.name + ".new")
    compress_file(output.part, fresh, output.target.suffix)
    publish(fresh, output.target)


def hdf5(output: FileOutput) -> None:
    """The lines and arrays as one HDF5 file."""
    _assemble(output, output.target)


def _assemble(output: FileOutput, target: Path) -> None:
    from medpipe.formats.hdf5_write import assemble

    fresh = target.with_name(target.name + ".new")

    def work() -> None:
        with output.arrays.open("rb") as blobs:
            assemble(output.lines, blobs, fresh, output.provenance)

    try:
        apart(work)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    publish(fresh, target)


def references(h5: Path, lines_to: Path | None) -> Finisher:
    """A finisher that writes the arrays to `h5` and lines that refer to them to a file or standard output."""

    def finish(output: FileOutput) -> None:
        _assemble(output, h5)
        shown = str(h5.resolve()) if lines_to is None else os.path.relpath(h5.resolve(), lines_to.resolve().parent)
        if lines_to is None:
            sys.stdout.buffer.writelines(_referring(output.lines(), shown))
            sys.stdout.buffer.flush()
            return
        fresh = lines_to.with_name(lines_to.name + ".new")
        with fresh.open("wb") as stream:
            stream.writelines(_referring(output.lines(), shown))
        publish(fresh, lines_to)

    return finish


def _referring(lines: Iterable[bytes], h5: str) -> Iterator[bytes]:
    from medpipe.formats.hdf5_write import refer

    rows: dict[str, int] = {}
    for line in lines:
        record = refer(orjson.loads(line), h5, rows)
        yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)

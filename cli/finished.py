"""What went wrong in a run that is over: the error records of its output."""

from __future__ import annotations

import orjson

from medpipe.cli.exits import USAGE, Fatal
from medpipe.cli.inputs import InputOptions, Item, enumerate_items


def failures(output: str, command: str, digest: str) -> int:
    """How many records of a finished output are errors of `command`; Fatal 2 when other options made it."""
    options = InputOptions([output])
    try:
        return sum(_failed(item, output, command, digest) for item in enumerate_items(options))
    finally:
        options.close()


def _failed(item: Item, output: str, command: str, digest: str) -> bool:
    if item.kind == "row":
        from medpipe.formats.hdf5 import read_record

        record = read_record(item.path, item.number)
    elif item.kind == "line":
        record = orjson.loads(item.payload)
    else:
        return False
    if "error" in record:
        error = record["error"]
        return isinstance(error, dict) and error.get("command") == command
    said = str((record.get("via") or [""])[-1])
    if not (said.startswith(f"{command} ") and said.endswith(f" options={digest}")):
        raise Fatal(USAGE, f"{output} was made by another command or with other options; start over without --resume")
    return False

"""What went wrong in a run that is over: the error records of its output."""

from __future__ import annotations

import orjson

from medpipe.cli.exits import Fatal
from medpipe.cli.inputs import InputOptions, Item, enumerate_items


def failures(output: str, command: str) -> int:
    """How many records of a finished output are errors of `command`; 0 where it cannot be read."""
    options = InputOptions([output])
    try:
        return sum(_failed(item, command) for item in enumerate_items(options))
    except Fatal:
        return 0
    finally:
        options.close()


def _failed(item: Item, command: str) -> bool:
    if item.kind == "row":
        from medpipe.formats.hdf5 import read_record

        error = read_record(item.path, item.number).get("error")
    elif item.kind == "line" and b'"error":{' in item.payload:
        error = orjson.loads(item.payload).get("error")
    else:
        return False
    return isinstance(error, dict) and error.get("command") == command

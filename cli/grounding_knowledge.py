"""Descriptions of findings, as the options name them."""

from __future__ import annotations

from pathlib import Path

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.core.errors import InputError
from medpipe.core.vision.findings import Knowledge


def open_knowledge(path: str | None, *, described: bool) -> Knowledge | None:
    """The shipped descriptions or a user's file; None where findings are asked for by name. Fatal 65."""
    if not described:
        return None
    try:
        return Knowledge.load(Path(path) if path is not None else None)
    except InputError as error:
        raise Fatal(BAD_STREAM, str(error)) from None

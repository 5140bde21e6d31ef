"""Descriptions of findings, as the options name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.core.errors import InputError
from medpipe.core.vision.findings import Knowledge


def open_knowledge(
    path: str | None, described: bool | None, learnt: Mapping[str, str] | None = None
) -> Knowledge | None:
    """A user's file, else the shipped descriptions with those that a model has learnt from; None for names alone.

    `described` None is what the model has learnt from: names alone where `learnt` is empty. Fatal 65.
    """
    if described is False or (described is None and learnt is not None and not learnt and path is None):
        return None
    try:
        known = Knowledge.load(Path(path) if path is not None else None)
    except InputError as error:
        raise Fatal(BAD_STREAM, str(error)) from None
    return known.with_sentences(learnt) if learnt and path is None else known

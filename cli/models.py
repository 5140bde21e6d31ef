"""The list of checkpoints: what is there, what is sound, what can be fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from medpipe.cli.exits import BAD_STREAM, GOOD, SOME_FAILED, UNAVAILABLE, WRITE_FAILED, Fatal
from medpipe.core import checkpoints
from medpipe.core.errors import ModelError

if TYPE_CHECKING:
    from medpipe.core.ecg.default_model import DefaultModel

Made = TypeVar("Made")


def _or_fatal(call: Callable[[], Made]) -> Made:
    try:
        return call()
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None


def _default_model() -> DefaultModel:
    from medpipe.core.ecg.default_model import DefaultModel

    return _or_fatal(DefaultModel.load)


def show() -> int:
    """Print the list: name, whether it is there, architecture, digest, and where to get it."""
    own = _or_fatal(checkpoints.registered)
    rows = [("default", "embedded", "default", _default_model().sha256[:12], "inside this package")]
    for entry in own.values():
        state = "here" if Path(entry.path).is_file() else "gone"
        rows.append((entry.name, state, entry.arch or "-", entry.sha256[:12], entry.path))
    for known in checkpoints.CATALOGUE:
        if known.name not in own and known.name != "default":
            state = "can be fetched" if known.url and known.sha256 else "absent"
            rows.append((known.name, state, known.arch, (known.sha256 or "-")[:12], known.where))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    notes: list[str] = []
    for *cells, where in rows:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        if cells[1] != "absent":
            print(f"{line}  {where}")
            continue
        if where not in notes:
            notes.append(where)
        print(f"{line}  [{notes.index(where) + 1}]")
    for number, note in enumerate(notes, 1):
        print(f"\n[{number}] {note}")
    return GOOD


def verify(names: list[str]) -> int:
    """Compare digests; the exit code is 1 when one differs."""
    wrong = absent = 0
    for name in names or ["default", *_or_fatal(checkpoints.registered)]:
        try:
            sound = _verified(name)
        except ModelError as error:
            sound = False
            absent += error.unavailable
            print(f"medpipe: {name}: {error}", file=sys.stderr)
        wrong += not sound
    return (UNAVAILABLE if absent == wrong else SOME_FAILED) if wrong else GOOD


def _verified(name: str) -> bool:
    if name == "default":
        model = _default_model()
        model.check_files()
        print(f"default: {model.sha256} as shipped")
        return True
    found = checkpoints.verify(name)
    if found.matches is False:
        print(f"{name}: {found.sha256} differs from {found.expected}")
        return False
    print(f"{name}: {found.sha256}" + ("" if found.matches is None else " as registered"))
    return True


def fetch(name: str) -> int:
    """Fetch, check and register a checkpoint of the catalogue."""
    entry = _or_fatal(lambda: checkpoints.fetch(name))
    print(f"medpipe: {entry.name} is at {entry.path}", file=sys.stderr)
    return GOOD


def add(name: str, path: str, arch: str | None) -> int:
    """Register a file of the user's own."""
    from medpipe.core.ecg.registry import ARCHITECTURES

    if arch is not None and arch not in ARCHITECTURES:
        raise typer.BadParameter(f"--arch {arch}: there are {', '.join(ARCHITECTURES)}")
    entry = _or_fatal(lambda: checkpoints.add(name, path, arch))
    print(f"medpipe: --model {entry.name} is {entry.path}, sha256 {entry.sha256}", file=sys.stderr)
    return GOOD


def convert(source: str, folder: str, preset: str) -> int:
    """Make a published grounding checkpoint native."""
    from medpipe.core.vision.published_florence import convert as convert_published

    try:
        count = _or_fatal(lambda: convert_published(Path(source), Path(folder), preset))
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{folder}: {error.strerror or error}") from None
    print(f"medpipe: {count:,} weights are in {folder}: ground --model {folder}", file=sys.stderr)
    return GOOD


def remove(name: str) -> int:
    """Take a registered name off the list."""
    entry = _or_fatal(lambda: checkpoints.remove(name))
    print(f"medpipe: {entry.name} is off the list; {entry.path} stays", file=sys.stderr)
    return GOOD

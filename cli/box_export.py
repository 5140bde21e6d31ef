"""med-cat --boxes: the boxes of records as files of other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import typer

from medpipe.cli.box_truth import box_of
from medpipe.cli.exits import BAD_STREAM, GOOD, SOME_FAILED, WRITE_FAILED, Fatal
from medpipe.cli.inputs import enumerate_items
from medpipe.cli.load import load
from medpipe.cli.options import RunOptions
from medpipe.cli.publish import write_whole
from medpipe.cli.report import printable
from medpipe.cli.runner import input_options
from medpipe.core import __version__
from medpipe.formats.arrays import is_array
from medpipe.formats.box_dicom import presentation_state
from medpipe.formats.box_files import Annotated
from medpipe.formats.box_write import WRITERS, write_boxes
from medpipe.formats.errors import FormatError
from medpipe.formats.ids import path_id
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

DICOM: Final = "dicom"
FORMS: Final = (*WRITERS, DICOM)
# These make a file for each image.
_MANY: Final = ("voc", DICOM)


def export(command: str, run: RunOptions, form: str, head: int | None = None) -> int:
    """Write the boxes of all records; the exit code is 1 when some had none to write."""
    if form not in FORMS:
        raise typer.BadParameter(f"--boxes {form}: there are {', '.join(FORMS)}")
    _check_output(run, form)
    kept: list[Annotated] = []
    names: set[str] = set()
    failed = 0
    for outcome in islice(_records(run), head):
        try:
            if isinstance(outcome, FormatError):
                raise outcome
            one = _annotated(outcome)
            if one.id in names:
                raise Fatal(BAD_STREAM, f"two records are called {one.id!r}, and others tell images by their name")
            names.add(one.id)
            if form == DICOM:
                _write(run.output, f"{_name(one.id)}.dcm", _state(outcome))
            kept.append(one)
        except FormatError as error:
            failed += 1
            if not run.quiet:
                print(f"{command}: {printable(str(error))}", file=sys.stderr)
    if form != DICOM:
        for name, content in write_boxes(kept, form):
            _write(run.output, _name(name), content) if form in _MANY else write_whole(content, run.output)
    return SOME_FAILED if failed else GOOD


def _check_output(run: RunOptions, form: str) -> None:
    folder = run.output.endswith("/") or Path(run.output).is_dir()
    if form in _MANY and not folder:
        raise typer.BadParameter(f"--boxes {form} makes a file for each image: -o FOLDER/")
    if form not in _MANY and folder:
        raise typer.BadParameter(f"--boxes {form} makes one file: -o FILE")
    if run.resume or run.shard is not None:
        raise typer.BadParameter("--boxes writes all at once, without --resume and --shard")


def _records(run: RunOptions) -> Iterator[Record | FormatError]:
    options = input_options(run, pictures=True)
    try:
        for item in enumerate_items(options):
            try:
                yield from load(item, ReadOptions(run.fs), keep_source=True)
            except FormatError as error:
                yield FormatError(error.kind, f"{item.id}: {error}")
    finally:
        options.close()


def _annotated(record: Record) -> Annotated:
    ident = path_id(str(record["id"]), "stem")
    if "error" in record:
        raise FormatError("upstream-error", f"{ident}: an error record has no boxes")
    boxes = record.get("boxes")
    if not isinstance(boxes, list):
        raise FormatError("no-boxes", f"{ident}: the record has no boxes; they are made by ground")
    source = record.get("source")
    path = source.get("path") if isinstance(source, dict) else None
    file = Path(str(path)).name if path is not None else ident
    # An id that is not the file's was given so that the file stays unknown.
    known = file if path_id(file, "stem") == ident else None
    made = Annotated(ident, _size(record), file=known)
    for one in boxes:
        made.add(*box_of(one, ident))
    return made


def _size(record: Record) -> tuple[int, int] | None:
    fit = record.get("fit")
    image: Any = fit.get("image") if isinstance(fit, dict) else None
    if is_array(record.get("image")):
        return int(record["image"].shape[1]), int(record["image"].shape[0])
    known = isinstance(image, list) and len(image) == 2 and all(type(side) is int for side in image)
    return (image[0], image[1]) if known else None


def _state(record: Record) -> bytes:
    source = record.get("source")
    source = source if isinstance(source, dict) else {}
    index = source.get("index")
    if source.get("format") != "dicom" or "path" not in source or not (index is None or type(index) is int):
        raise FormatError("no-presentation-state", f"{record['id']}: the record names no DICOM file as its source")
    boxes = [box_of(one, str(record["id"])) for one in record["boxes"]]
    try:
        return presentation_state(str(source["path"]), index, boxes, __version__)
    except FormatError as error:
        raise FormatError(error.kind, f"{record['id']}: {error}") from None


def _name(name: str) -> str:
    """A file's name that stays inside its folder."""
    plain = Path(name).name
    if plain != name or name in ("", ".", ".."):
        raise Fatal(BAD_STREAM, f"the id {name!a} cannot be a file's name")
    return name


def _write(folder: str, name: str, content: bytes) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{folder}: {error.strerror}") from None
    write_whole(content, str(Path(folder) / name))

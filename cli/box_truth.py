"""Boxes by image, of a stream of records or of a file of others, met by the image's id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items
from medpipe.cli.load import load
from medpipe.core.vision.findings import normal_name
from medpipe.formats.box_files import Corners, read_boxes
from medpipe.formats.compress import decompression_errors, open_decompressed
from medpipe.formats.errors import FormatError
from medpipe.formats.ids import path_id
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

Box = tuple[str, Corners, float]
# Pixels.
_BEYOND: Final = 2


@dataclass(slots=True)
class BoxStream:
    """Boxes as (label, corners, score) by id, labels that were asked for, clusters, and error records.

    `unscored` boxes have no score and count as 1; `sizes` are width and height of images whose file tells them.
    """

    boxes: dict[str, list[Box]] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    errors: int = 0
    unscored: int = 0

    def rename(self, named: Mapping[str, str]) -> None:
        """Give labels the spelling of `named`, which has it by the normal name; others stay."""
        for ident, several in self.boxes.items():
            self.boxes[ident] = [(spelt(label, named), corners, score) for label, corners, score in several]
        self.asked = {ident: [spelt(label, named) for label in asked] for ident, asked in self.asked.items()}


def one_spelling(labels: Iterable[str]) -> dict[str, str]:
    """Of labels that mean the same the first, by their normal name."""
    named: dict[str, str] = {}
    for label in labels:
        named.setdefault(normal_name(label), label)
    return named


def spelt(label: str, named: Mapping[str, str]) -> str:
    """The label as `one_spelling` has it, or as it is."""
    return named.get(normal_name(label), label)


def read_box_stream(path: str, by: str | None = None, images_of: str | None = None) -> BoxStream:
    """A record stream with `boxes`, or COCO, VOC or VinDr files. Fatal 65 and 66 when it cannot serve.

    `images_of` is the COCO file that names the images of a COCO results list.
    """
    if path != "-" and not Path(path).exists():
        raise Fatal(NO_STREAM, f"{path}: no such file")
    try:
        if path != "-" and not is_stream(path):
            return _of_file(path, by, images_of)
        return _of_stream(path, by)
    except FormatError as error:
        said = str(error)
        raise Fatal(BAD_STREAM, said if said.startswith(path) else f"{path}: {said}") from None


def is_stream(path: str) -> bool:
    """Whether a file is of records, a line each: the first line is a whole object with an id."""
    import orjson

    if Path(path).is_dir():
        return False
    try:
        with open(path, "rb") as raw:
            plain = open_decompressed(raw)
            if plain.peek(8).startswith(b"\x89HDF"):
                return True
            line = plain.readline()
    except decompression_errors():
        return False
    try:
        first = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(first, dict) and "annotations" not in first


def _of_file(path: str, by: str | None, images_of: str | None) -> BoxStream:
    if by is not None:
        raise Fatal(BAD_STREAM, f"{path}: --by names a key of records, and this file has none")
    found = BoxStream()
    for one in read_boxes(path, images_of):
        if one.id in found.boxes:
            raise Fatal(BAD_STREAM, f"{path}: the image {one.id} is there twice")
        found.boxes[one.id] = [
            (label, corners, 1.0 if score is None else score) for label, corners, score in one.scored()
        ]
        found.unscored += sum(score is None for *_, score in one.scored())
        if one.size is not None and all(one.size):
            found.sizes[one.id] = one.size
    return found


def _of_stream(path: str, by: str | None) -> BoxStream:
    found, options = BoxStream(), InputOptions([path])
    try:
        for item in enumerate_items(options):
            record = load(item, ReadOptions(), keep_source=False)[0]
            if "error" in record:
                found.errors += 1
                continue
            ident = path_id(str(record["id"]), "stem")
            if ident in found.boxes:
                raise Fatal(BAD_STREAM, f"{path}: the image {ident} is there twice")
            found.boxes[ident] = [_box(one, ident, path, found) for one in _listed(record, path)]
            present = record.get("present")
            found.asked[ident] = list(present) if isinstance(present, dict) else []
            if by is not None:
                found.clusters[ident] = str(record.get(by) or ident)
    finally:
        options.close()
    return found


def _listed(record: Record, path: str) -> list[Any]:
    boxes = record.get("boxes")
    if not isinstance(boxes, list):
        raise Fatal(BAD_STREAM, f"{path}: {record['id']} has no boxes; they are made by ground")
    return boxes


def _box(one: Any, ident: str, path: str, found: BoxStream) -> Box:
    """A box of a record; without a score it counts as 1. Fatal 65 for one that is none."""
    try:
        label, corners, score = box_of(one, ident)
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{path}: {error}") from None
    found.unscored += score is None
    return label, corners, 1.0 if score is None else score


def check_inside(
    boxes: Iterable[tuple[str, Corners]], size: tuple[int, int], told: tuple[int, int] | None, ident: str
) -> None:
    """FormatError (`bad-box`) where boxes belong to another picture or scale than that of `size`, width and height.

    `told` is the size that they are said to be for; edges may lie a little beyond the picture's.
    """
    shown = f"the picture of {size[0]} x {size[1]}"
    if told is not None and told != size:
        raise FormatError("bad-box", f"{ident}: its boxes are for a picture of {told[0]} x {told[1]}, not {shown}")
    for label, (left, top, right, bottom) in boxes:
        if min(left, top) < -_BEYOND or right > size[0] + _BEYOND or bottom > size[1] + _BEYOND:
            raise FormatError("bad-box", f"{ident}: a box of {label} lies outside {shown}")


def box_of(one: Any, ident: str) -> tuple[str, Corners, float | None]:
    """Label, corners and score of a record's box. Raises FormatError (`bad-value`)."""
    try:
        left, top, right, bottom = (float(edge) for edge in one["xyxy"])
        label, score = str(one["label"]), one.get("score")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FormatError("bad-value", f"a box of {ident} has no label or no xyxy of four numbers") from None
    if not label.strip():
        raise FormatError("bad-value", f"a box of {ident} has an empty label")
    if not (left <= right and top <= bottom):
        raise FormatError("bad-value", f"a box of {ident} has its second corner before its first")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or score != score):
        raise FormatError("bad-value", f"a box of {ident} has a score that is no number")
    return label, (left, top, right, bottom), None if score is None else float(score)

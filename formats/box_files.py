"""Boxes of images in files of others: COCO JSON, Pascal VOC XML, the CSV of VinDr-CXR.

Boxes are x, y, x, y in pixels of the image, the left edge of the first pixel being 0. Of VOC and VinDr the numbers are
taken as they stand: whether the first pixel is 0 or 1 differs from writer to writer.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Final

from medpipe.formats.errors import FormatError
from medpipe.formats.ids import path_id

Corners = tuple[float, float, float, float]
# Of VinDr-CXR: an image of which a reader said that nothing is there.
_NOTHING: Final = "no finding"
VINDR: Final = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
# Of predictions: VinDr's table and VOC have no name for it; others write the second into VOC.
SCORE: Final = "score"
_SCORES: Final = (SCORE, "confidence")


@dataclass(slots=True)
class Annotated:
    """The boxes of one image as (label, corners); `size` is width and height, `file` its name, where they are known.

    `scores` are those of the boxes, None for one without; it may be empty where no box has one.
    """

    id: str
    size: tuple[int, int] | None = None
    boxes: list[tuple[str, Corners]] = field(default_factory=list)
    file: str | None = None
    scores: list[float | None] = field(default_factory=list)

    def scored(self) -> Iterator[tuple[str, Corners, float | None]]:
        """Boxes as (label, corners, score)."""
        scores = self.scores or [None] * len(self.boxes)
        return ((label, corners, score) for (label, corners), score in zip(self.boxes, scores, strict=True))

    def add(self, label: str, corners: Corners, score: float | None) -> None:
        """One more box."""
        self.boxes.append((label, corners))
        self.scores.append(score)


def read_boxes(path: str, images_of: str | None = None) -> list[Annotated]:
    """Every image of a file, or of a folder of VOC files; an image without a box is one too.

    A COCO results list numbers images and categories: `images_of` is the COCO file that names them.
    Raises FormatError (`unknown-format`, `bad-value`).
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(place.glob("*.xml"))
        if not files:
            raise FormatError("unknown-format", f"{path}: no .xml file in this folder")
        return [_voc(file.read_bytes(), str(file)) for file in files]
    try:
        raw = place.read_bytes()
    except OSError as error:
        raise FormatError("missing-file", f"{path}: {error.strerror}") from None
    start = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return [_voc(raw, path)]
    if start.startswith(b"{"):
        return _coco(raw, path)
    if start.startswith(b"["):
        return _results(raw, path, images_of)
    return _vindr(raw, path)


def _results(raw: bytes, path: str, images_of: str | None) -> list[Annotated]:
    import orjson

    try:
        found = orjson.loads(raw)
        whole = orjson.loads(Path(images_of).read_bytes()) if images_of is not None else None
    except (OSError, ValueError):
        whole = None
    if not isinstance(whole, dict):
        raise FormatError(
            "bad-value", f"{path}: a list of COCO results is read beside its COCO file, which names images"
        )
    return _coco(orjson.dumps({**whole, "annotations": found}), path)


def _coco(raw: bytes, path: str) -> list[Annotated]:
    import orjson

    try:
        whole = orjson.loads(raw)
        names = {one["id"]: str(one["name"]) for one in whole["categories"]}
        images = {one["id"]: Annotated(_stem(one["file_name"]), _size(one)) for one in whole["images"]}
        for one in whole["annotations"]:
            left, top, width, height = (float(number) for number in one["bbox"])
            corners = _checked((left, top, left + width, top + height), path)
            images[one["image_id"]].add(names[one["category_id"]], corners, _score(one.get(SCORE), path))
    except FormatError:
        raise
    except KeyError as error:
        raise FormatError("bad-value", f"{path} is no COCO file of boxes: it has no {error}") from None
    except (TypeError, ValueError) as error:
        raise FormatError("bad-value", f"{path} is no COCO file of boxes: {_short(error)}") from None
    return list(images.values())


def _size(one: dict[str, Any]) -> tuple[int, int] | None:
    return (int(one["width"]), int(one["height"])) if one.get("width") and one.get("height") else None


def _voc(raw: bytes, path: str) -> Annotated:
    from xml.etree import ElementTree

    # A document type may define entities that swell: no file of boxes has one.
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise FormatError("bad-value", f"{path}: a VOC file with a document type is not read")
    try:
        root = ElementTree.fromstring(raw)
        found = Annotated(_stem(root.findtext("filename") or path))
        sides = [root.findtext(f"size/{side}") for side in ("width", "height")]
        if all(sides):
            found.size = (int(sides[0] or 0), int(sides[1] or 0))
        for one in root.iter("object"):
            numbers = [float(one.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")]
            told = next((text for name in _SCORES if (text := one.findtext(name))), None)
            label = str(one.findtext("name") or "").strip()
            found.add(label, _checked(tuple(numbers), path), _score(told, path))
    except FormatError:
        raise
    except (ElementTree.ParseError, ValueError) as error:
        raise FormatError("bad-value", f"{path} is no VOC file of boxes: {_short(error)}") from None
    return found


def _vindr(raw: bytes, path: str) -> list[Annotated]:
    try:
        table = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        absent = [name for name in VINDR if name not in (table.fieldnames or ())]
        if absent:
            raise FormatError(
                "unknown-format", f"{path} is no file of boxes that is read: COCO, VOC or VinDr's CSV with {absent[0]}"
            )
        images: dict[str, Annotated] = {}
        for number, row in enumerate(table, 2):
            one = images.setdefault(_stem(row["image_id"]), Annotated(_stem(row["image_id"])))
            if row["class_name"].strip().lower() != _NOTHING:
                score = _score(row.get(SCORE) or None, f"{path}, row {number}")
                one.add(row["class_name"].strip(), _corners(row, path, number), score)
    except FormatError:
        raise
    except (UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise FormatError("bad-value", f"{path} is no table of boxes: {_short(error)}") from None
    return list(images.values())


def _corners(row: dict[str, str], path: str, number: int) -> Corners:
    try:
        numbers = tuple(float(row[name]) for name in VINDR[2:])
    except (TypeError, ValueError):
        raise FormatError("bad-value", f"{path}, row {number}: a box without four numbers") from None
    return _checked(numbers, f"{path}, row {number}")


def _checked(corners: tuple[float, ...], where: str) -> Corners:
    left, top, right, bottom = corners
    if not (left <= right and top <= bottom):
        raise FormatError("bad-value", f"{where}: a box whose second corner lies before its first")
    return left, top, right, bottom


def _score(value: Any, where: str) -> float | None:
    try:
        score = None if value is None else float(value)
    except (TypeError, ValueError):
        score = math.nan
    if score is not None and not math.isfinite(score):
        raise FormatError("bad-value", f"{where}: a box with a score that is no number")
    return score


def _stem(name: str) -> str:
    return path_id(PureWindowsPath(str(name)).as_posix(), "stem")


def _short(error: Exception) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:120]

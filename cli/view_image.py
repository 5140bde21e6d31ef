"""The picture of a record that holds an image."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from medpipe.cli.source_image import source_image
from medpipe.formats.arrays import materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.grey_levels import PRESETS
from medpipe.formats.ids import path_id
from medpipe.formats.image import image_record, image_spacing
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medpipe.cli.box_truth import BoxStream
    from medpipe.core.draw.image import Box
    from medpipe.formats.box_files import Corners


def with_image(record: Record, read: ReadOptions, *, own_voi: bool = False) -> Record:
    """A record of boxes with the image that they lie on, read again from its source; others as they are.

    It is read as the record says that it was, but through the window of `read` with `own_voi`. FormatError where that
    image is not there.
    """
    source = record.get("source")
    if "image" in record or "boxes" not in record or not isinstance(source, dict) or "path" not in source:
        return record
    cut = _slice(record)
    if not own_voi:
        read = replace(read, voi=_voi(record))
    found = source_image(source, replace(read, slice=read.slice or (cut and cut.replace(" ", ":"))))
    shown = str(found.said.get("slice", "")).partition(" of ")[0]
    if cut is not None and shown != cut:
        raise FormatError("no-image", f"the boxes are those of the slice {cut}, not of {shown or 'a picture'}")
    return {**image_record(found, record["id"], None), **record, "pixels": found.pixels}


def _voi(record: Record) -> str:
    """The --voi through which the record's image was seen."""
    pixels = record.get("pixels")
    if not isinstance(pixels, dict) or "voi" not in pixels:
        return "file"
    voi = pixels["voi"]
    if not isinstance(voi, dict):
        return "none"
    origin = str(voi.get("from")).removeprefix("preset ")
    if origin == "given":
        return f"{voi.get('center')},{voi.get('width')}"
    return origin if origin in PRESETS else "file"


def _slice(record: Record) -> str | None:
    """Plane and number of the record's slice; None where it is of no volume."""
    notes = record.get("notes")
    found = re.match(r"(axial|coronal|sagittal) \d+", str(notes.get("slice", ""))) if isinstance(notes, dict) else None
    return found[0] if found else None


def image_figure(record: Record, title: str, truth: BoxStream | None = None) -> Figure:
    """The image with its boxes, and with those that are true by the image's name.

    Raises FormatError where a part of the record is none that can be drawn.
    """
    from medpipe.core.draw.image import Box, draw_image

    image: Any = record["image"]
    if len(image.shape) not in (2, 3) or (len(image.shape) == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise FormatError("bad-array", "image is not [rows, columns] nor [rows, columns, 3]")
    pixels = materialise(image)
    if pixels.ndim == 3 and pixels.dtype.name != "uint8":
        raise FormatError("bad-array", "a colour image of more than 8 bits is not drawn: leave out --voi none")
    boxes, caption = _boxes(record), _caption(record)
    _check_found(record, boxes)
    if truth is not None:
        from medpipe.cli.box_truth import one_spelling, spelt

        found = one_spelling(box.label for box in boxes)
        boxes += [Box(spelt(label, found), corners, true=True) for label, corners in _true(record, truth)]
        caption = f"dashed: {sum(box.true for box in boxes)} true boxes, {caption}"
    return draw_image(pixels, spacing=image_spacing(record), title=title, boxes=boxes, caption=caption)


def _check_found(record: Record, boxes: list[Box]) -> None:
    from medpipe.cli.box_truth import check_inside

    fit, shape = record.get("fit"), record["image"].shape
    told = fit.get("image") if isinstance(fit, dict) else None
    size = (told[0], told[1]) if isinstance(told, list) and len(told) == 2 else None
    check_inside([(box.label, box.xyxy) for box in boxes], (shape[1], shape[0]), size, str(record["id"]))


def _true(record: Record, truth: BoxStream) -> list[tuple[str, Corners]]:
    from medpipe.cli.box_truth import check_inside

    name, shape = path_id(str(record["id"]), "stem"), record["image"].shape
    if name not in truth.boxes:
        raise FormatError("no-truth", "the file of true boxes says nothing of this image")
    there = [(label, corners) for label, corners, _ in truth.boxes[name]]
    check_inside(there, (shape[1], shape[0]), truth.sizes.get(name), name)
    return there


def _boxes(record: Record) -> list[Box]:
    from medpipe.core.draw.image import Box

    found = record.get("boxes", [])
    try:
        return [
            Box(str(one["label"]), tuple(float(edge) for edge in one["xyxy"]), one.get("score"))  # type: ignore[arg-type]
            for one in found
            if len(one["xyxy"]) == 4
        ]
    except (KeyError, TypeError, ValueError):
        raise FormatError("bad-value", "boxes is not a list of label, xyxy and score") from None


def _caption(record: Record) -> str:
    """Size, the window through which the values are seen, and what was asked for and not found."""
    rows, columns = record["image"].shape[:2]
    parts = [f"{columns} x {rows}"]
    pixels = record.get("pixels")
    voi = pixels.get("voi") if isinstance(pixels, dict) else None
    if isinstance(voi, dict) and voi.get("kind") == "window":
        parts.append(f"window {voi.get('center'):g}, {voi.get('width'):g}")
    present, boxes = record.get("present"), record.get("boxes")
    if isinstance(present, dict) and isinstance(boxes, list):
        found = {one.get("label") for one in boxes if isinstance(one, dict)}
        if absent := [str(name) for name in present if name not in found]:
            parts.append(f"not found: {', '.join(absent[:6])}{' ...' if len(absent) > 6 else ''}")
    return ", ".join(parts)

"""The picture of a record that holds an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medpipe.cli.source_image import source_image
from medpipe.formats.arrays import materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.ids import path_id
from medpipe.formats.image import image_record, image_spacing
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medpipe.cli.box_truth import BoxStream
    from medpipe.core.draw.image import Box
    from medpipe.formats.box_files import Corners


def with_image(record: Record, read: ReadOptions) -> Record:
    """A record of boxes with the image that they lie on, read again from its source; others as they are."""
    source = record.get("source")
    if "image" in record or "boxes" not in record or not isinstance(source, dict) or "path" not in source:
        return record
    found = source_image(source, read)
    return {**image_record(found, record["id"], None), **record}


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
    if truth is not None:
        boxes += [Box(label, corners, true=True) for label, corners in _true(record, truth)]
        caption = f"dashed: {sum(box.true for box in boxes)} true boxes, {caption}"
    return draw_image(pixels, spacing=image_spacing(record), title=title, boxes=boxes, caption=caption)


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
    """Size, and the window through which the values are seen."""
    rows, columns = record["image"].shape[:2]
    parts = [f"{columns} x {rows}"]
    pixels = record.get("pixels")
    voi = pixels.get("voi") if isinstance(pixels, dict) else None
    if isinstance(voi, dict) and voi.get("kind") == "window":
        parts.append(f"window {voi.get('center'):g}, {voi.get('width'):g}")
    return ", ".join(parts)

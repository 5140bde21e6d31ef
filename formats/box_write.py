"""Boxes of images as files of others: COCO JSON, Pascal VOC XML, the CSV of VinDr-CXR; `box_files` reads them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from medpipe.formats.box_files import VINDR, Annotated


def write_boxes(images: Iterable[Annotated], form: str) -> Iterator[tuple[str, bytes]]:
    """Files by name: of `coco` and `vindr` one, of `voc` one for each image. ValueError for another form."""
    if form not in WRITERS:
        raise ValueError(f"no form {form}; there are {', '.join(WRITERS)}")
    yield from WRITERS[form](images)


def _as_coco(images: Iterable[Annotated]) -> Iterator[tuple[str, bytes]]:
    import orjson

    whole: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
    names: dict[str, int] = {}
    for number, one in enumerate(images, 1):
        width, height = one.size or (0, 0)
        whole["images"].append({"id": number, "file_name": one.file or one.id, "width": width, "height": height})
        for label, (left, top, right, bottom) in one.boxes:
            category = names.setdefault(label, len(names) + 1)
            sides = [left, top, right - left, bottom - top]
            made = {"id": len(whole["annotations"]) + 1, "image_id": number, "category_id": category, "bbox": sides}
            whole["annotations"].append(made | {"area": sides[2] * sides[3], "iscrowd": 0})
    whole["categories"] = [{"id": number, "name": label} for label, number in names.items()]
    yield "boxes.json", orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _as_voc(images: Iterable[Annotated]) -> Iterator[tuple[str, bytes]]:
    from xml.etree import ElementTree

    for one in images:
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = one.file or one.id
        if one.size is not None:
            size = ElementTree.SubElement(root, "size")
            for side, value in zip(("width", "height"), one.size, strict=True):
                ElementTree.SubElement(size, side).text = str(value)
        for label, corners in one.boxes:
            box = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(box, "name").text = label
            edges = ElementTree.SubElement(box, "bndbox")
            for side, edge in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
                ElementTree.SubElement(edges, side).text = f"{edge:.10g}"
        ElementTree.indent(root)
        yield f"{one.id}.xml", ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _as_vindr(images: Iterable[Annotated]) -> Iterator[tuple[str, bytes]]:
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\n")
    out.writerow(VINDR)
    for one in images:
        out.writerows([one.id, label, *(f"{edge:.10g}" for edge in corners)] for label, corners in one.boxes)
        if not one.boxes:
            out.writerow([one.id, "No finding", "", "", "", ""])
    yield "boxes.csv", text.getvalue().encode()


WRITERS: Final[dict[str, Callable[[Iterable[Annotated]], Iterator[tuple[str, bytes]]]]] = {
    "coco": _as_coco,
    "voc": _as_voc,
    "vindr": _as_vindr,
}

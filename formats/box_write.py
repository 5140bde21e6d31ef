"""Boxes of images as files of others: COCO JSON, Pascal VOC XML, the CSV of VinDr-CXR; `box_files` reads them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from medpipe.formats.box_files import SCORE, VINDR, Annotated


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
        size = dict(zip(("width", "height"), one.size, strict=True)) if one.size is not None else {}
        whole["images"].append({"id": number, "file_name": one.file or one.id, **size})
        for label, (left, top, right, bottom), score in one.scored():
            category = names.setdefault(label, len(names) + 1)
            sides = [left, top, right - left, bottom - top]
            made = {"id": len(whole["annotations"]) + 1, "image_id": number, "category_id": category, "bbox": sides}
            made |= {"area": sides[2] * sides[3], "iscrowd": 0} | ({} if score is None else {SCORE: score})
            whole["annotations"].append(made)
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
        for label, corners, score in one.scored():
            box = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(box, "name").text = label
            if score is not None:
                ElementTree.SubElement(box, SCORE).text = repr(score)
            edges = ElementTree.SubElement(box, "bndbox")
            for side, edge in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
                ElementTree.SubElement(edges, side).text = f"{edge:.10g}"
        ElementTree.indent(root)
        yield f"{one.id}.xml", ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _as_vindr(images: Iterable[Annotated]) -> Iterator[tuple[str, bytes]]:
    images = list(images)
    predicted = any(score is not None for one in images for *_, score in one.scored())
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\n")
    out.writerow([*VINDR, SCORE] if predicted else VINDR)
    for one in images:
        rows = [
            ([one.id, label, *(f"{edge:.10g}" for edge in corners)], score) for label, corners, score in one.scored()
        ]
        for row, score in rows or [([one.id, "No finding", "", "", "", ""], None)]:
            out.writerow([*row, "" if score is None else repr(score)] if predicted else row)
    yield "boxes.csv", text.getvalue().encode()


WRITERS: Final[dict[str, Callable[[Iterable[Annotated]], Iterator[tuple[str, bytes]]]]] = {
    "coco": _as_coco,
    "voc": _as_voc,
    "vindr": _as_vindr,
}

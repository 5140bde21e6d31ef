"""A picture as every reader hands it over: described at once, its pixels read on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record


@dataclass(slots=True)
class Image:
    """One picture inside a file.

    `read()` gives the pixels, [rows, columns] or [rows, columns, 3]; it raises FormatError when they are not there or
    are damaged. `spacing` is in mm from row to row and from column to column.
    """

    format: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]
    spacing: tuple[float, float] | None = None
    # Direction cosines of a row and of a column in the patient (PS3.3 C.7.6.2.1.1).
    orientation: list[float] | None = None
    # What was done to the pixels, for the record.
    pixels: dict[str, Any] = field(default_factory=dict)
    # The header as it stands, identifying parts included: only `--fields` takes names out of it.
    headers: Callable[[], dict[str, Any]] = dict
    # What of the header identifies a person, by name; None where the format has no such header.
    identity: Callable[[], dict[str, Any]] | None = None
    # What the reader met that a user should know.
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ImagePixels:
    """The pixels of an open picture, read on demand."""

    image: Image

    @property
    def shape(self) -> tuple[int, ...]:
        """[rows, columns] or [rows, columns, 3]."""
        return self.image.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel's values."""
        return self.image.dtype

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """All pixels, cut along the last axis; FormatError when they are not there."""
        whole = self.image.read()
        return whole if start == 0 and stop is None else whole[..., start:stop]


def image_record(image: Image, ident: str, source: dict[str, Any] | None) -> Record:
    """The record of a picture; its pixels stay in the file until they are read."""
    record: Record = {"id": ident}
    if source is not None:
        record["source"] = source
    if image.spacing is not None:
        record["spacing"] = list(image.spacing)
    if image.orientation is not None:
        record["orientation"] = image.orientation
    if image.pixels:
        record["pixels"] = image.pixels
    if image.said:
        record["notes"] = image.said
    record["image"] = ImagePixels(image)
    return record


def image_spacing(record: Record) -> tuple[float, float] | None:
    """Millimetres from row to row and from column to column; None where unknown. FormatError for what is none."""
    value = record.get("spacing")
    if value is None:
        return None
    numbers = isinstance(value, list) and len(value) == 2 and all(type(one) in (int, float) for one in value)
    if not numbers or min(value) <= 0:
        raise FormatError("bad-value", "spacing is not two lengths in mm")
    return float(value[0]), float(value[1])

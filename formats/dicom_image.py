"""DICOM images: stored pixels through modality and VOI transformations to what a viewer shows (PS3.3 C.7.6, C.11)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.dicom_frames import Frames
from medpipe.formats.dicom_functional import frame_items, measures
from medpipe.formats.dicom_identity import identity_facts
from medpipe.formats.errors import FormatError
from medpipe.formats.grey_levels import PRESETS, Range, Table, Voi, Window, given_window, levels
from medpipe.formats.image import Image

Headers = Callable[[], dict[str, Any]]
_INVERTED = "MONOCHROME1"
# Of what the air around a patient is -1000, a window in the file or not.
_HOUNSFIELD = "CT"


class _Described(NamedTuple):
    """What the frames of a file have in common."""

    headers: Headers
    identity: Headers


def open_images(data: Any, path: str, place: int | None, headers: Headers, voi: str = "file") -> list[Image]:
    """One picture for each frame of a data set that was read up to its pixels; of frames that are not there the first.

    Args:
        data: the data set.
        path: of the file.
        place: where its pixels begin; None where they are not in it as they are.
        headers: gives its top-level values by keyword; reading them all takes longer than a small picture.
        voi: `file`, `none`, a preset, or CENTER,WIDTH.

    Raises:
        FormatError: a needed value is missing or wrong, or the pixels are not there.
    """
    frames = Frames(data, path, place)
    # Frames that are shown alike share the table that it takes.
    greys: dict[str, _Grey] = {}
    described = _Described(headers, cache(lambda: identity_facts(data)))
    return [_image(data, frames, number, described, voi, greys) for number in range(min(frames.count, frames.held + 1))]


def _image(data: Any, frames: Frames, number: int, header: _Described, voi: str, greys: dict[str, _Grey]) -> Image:
    items = frame_items(data, number)
    spacing, orientation, said = measures(data, items)
    facts: dict[str, Any] = {"photometric": frames.photometric, "bits": frames.bits_stored}
    if overlays := sum(1 for group in range(0x6000, 0x6020, 2) if (group, 0x0010) in data):
        said["overlays"] = f"{overlays} not drawn"
    described: dict[str, Any] = {"spacing": spacing, "orientation": orientation, **header._asdict(), "said": said}
    if frames.colour:
        return _colour(frames, number, facts, voi, described)
    grey = _Grey(data, items, frames, voi)
    grey = greys.setdefault(grey.key(number if items else 0), grey)

    def read() -> NDArray[Any]:
        return grey.pixels(frames.stored(number))

    return Image("dicom", frames.shape, grey.dtype, read, pixels=facts | grey.facts(), **described)


def _colour(frames: Frames, number: int, facts: dict[str, Any], voi: str, described: dict[str, Any]) -> Image:
    """RGB; more than 8 bits are scaled down unless the values are asked for as they are."""
    keep = voi == "none" or frames.colour_bits <= 8
    dtype = frames.dtype if keep else np.dtype(np.uint8)
    top = (1 << frames.colour_bits) - 1

    def read() -> NDArray[Any]:
        stored = frames.rgb(number)
        return stored if keep else np.rint(stored.astype(np.float64) * (255 / top)).astype(np.uint8)

    return Image("dicom", (*frames.shape[:2], 3), dtype, read, pixels=facts, **described)


class _Grey:
    """The way from stored values to pixels; by a table over all of them where they are of 8 or 16 bits."""

    def __init__(self, data: Any, items: list[Any], frames: Frames, voi: str) -> None:
        self._frames = frames
        self._items = items
        self._inverted = frames.photometric == _INVERTED
        source = _source(items, "PixelValueTransformationSequence", data)
        self._slope, self._intercept = _rescale(source)
        self._modality = source if source.get("ModalityLUTSequence") else None
        self._voi = None if voi == "none" else self._chosen(data, voi)
        self.dtype = self._value_dtype() if self._voi is None else np.dtype(np.uint8)
        self._table: NDArray[Any] | None = None

    def facts(self) -> dict[str, Any]:
        """What is done, for the record."""
        if self._modality is not None:
            modality: Any = "table"
        else:
            rescaled = (self._slope, self._intercept) != (1.0, 0.0)
            modality = {"slope": self._slope, "intercept": self._intercept} if rescaled else None
        shown = self._voi.facts() if self._voi is not None else None
        return {"modality": modality, "voi": shown, "inverted": self._inverted and self._voi is not None}

    def key(self, frame: int) -> str:
        """The same for what is shown alike; tables are compared by the frame that has them."""
        tables = self._modality is not None or isinstance(self._voi, Table)
        return f"{self.facts()} {frame if tables else ''}"

    def pixels(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Stored values [rows, columns] -> pixels of `dtype`."""
        if stored.dtype.itemsize > 2 or stored.dtype.kind == "f":
            return self._transformed(stored)
        if self._table is None:
            self._table = self._all(stored.dtype)
        return _looked_up(self._table, stored.view(f"u{stored.dtype.itemsize}"))

    def _all(self, kind: np.dtype[Any]) -> NDArray[Any]:
        """Pixels of every stored value [256 or 65536], by its bits."""
        unsigned = np.dtype(f"u{kind.itemsize}")
        whole = np.arange(1 << (8 * kind.itemsize), dtype=unsigned)
        low, high = self._frames.ends
        # Grey levels are made of the stored bits' values alone, which are often a sixteenth of all; what lies beyond
        # them, as a lossy decoder may give, is as black or white as their ends.
        if (
            self._voi is None
            or high - low + 1 == len(whole)
            or not np.iinfo(kind).min <= low < high <= np.iinfo(kind).max
        ):
            return self._transformed(whole.view(kind))
        made = self._transformed(np.arange(low, high + 1).astype(kind))
        table: NDArray[Any] = made[np.clip(whole.view(kind), low, high).astype(np.int64) - low]
        return table

    def _transformed(self, stored: NDArray[Any]) -> NDArray[Any]:
        values = self._values(stored)
        if self._voi is None:
            return values.astype(self.dtype)
        return levels(values, self._voi, inverted=self._inverted)

    def _values(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Values after the modality LUT, by pydicom where it is a table."""
        if self._modality is None:
            return stored.astype(np.float64) * self._slope + self._intercept
        from pydicom.pixels import apply_modality_lut

        return np.asarray(apply_modality_lut(stored, self._modality), np.float64)

    def _value_dtype(self) -> np.dtype[Any]:
        """The smallest type that holds every value; float32 where they are not whole."""
        if self._modality is not None:
            return np.dtype(np.uint16)
        stored = self._frames.dtype
        if stored.kind == "f" or not (self._slope.is_integer() and self._intercept.is_integer()):
            return np.dtype(np.float32)
        ends = [int(end) * int(self._slope) + int(self._intercept) for end in self._frames.ends]
        for kind in (stored, np.dtype(np.int16), np.dtype(np.int32)):
            if all(np.iinfo(kind).min <= end <= np.iinfo(kind).max for end in ends):
                return kind
        return np.dtype(np.float32)

    def _chosen(self, data: Any, voi: str) -> Voi:
        given = given_window(voi)
        if given is not None:
            return given
        source = _source(self._items, "FrameVOILUTSequence", data)
        found = _table(source, big=self._frames.big_endian) or _window(source)
        if found is not None:
            return found
        if str(data.get("Modality", "")) == _HOUNSFIELD:
            return Window(*PRESETS["soft-tissue"], origin="preset soft-tissue, the file has no window")
        low, high = sorted(float(end) for end in self._values(np.array(self._frames.ends)))
        return Range(low, high)


def _looked_up(table: NDArray[Any], stored: NDArray[Any]) -> NDArray[Any]:
    """table[stored]; bytes of bytes the way that takes a third of the time."""
    if table.dtype.itemsize == stored.dtype.itemsize == 1:
        shown = np.frombuffer(bytearray(stored.tobytes()).translate(table.tobytes()), table.dtype)
        return shown.reshape(stored.shape)
    pixels: NDArray[Any] = np.take(table, stored)
    return pixels


def _source(items: list[Any], sequence: str, data: Any) -> Any:
    """Where a transformation is described: in the frame's functional groups, or at the top."""
    for item in items:
        if found := item.get(sequence):
            return found[0]
    return data


def _rescale(source: Any) -> tuple[float, float]:
    slope, intercept = source.get("RescaleSlope"), source.get("RescaleIntercept")
    if slope is None or intercept is None:
        return 1.0, 0.0
    made = float(slope), float(intercept)
    if not np.isfinite(made).all() or made[0] == 0:
        raise FormatError("bad-header", "the DICOM rescale slope is zero, or it is no number")
    return made


def _window(source: Any) -> Window | None:
    """The first window of the header: what a viewer begins with."""
    center, width = source.get("WindowCenter"), source.get("WindowWidth")
    if center in (None, "") or width in (None, ""):
        return None
    first = [value[0] if isinstance(value, list | tuple) or hasattr(value, "append") else value
             for value in (center, width)]  # fmt: skip
    function = str(source.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise FormatError("bad-window", "the DICOM VOI LUT function is none that the standard names")
    return Window(float(first[0]), float(first[1]), function)  # type: ignore[arg-type]


def _table(source: Any, *, big: bool) -> Table | None:
    """The first VOI LUT of the header."""
    tables = source.get("VOILUTSequence")
    if not tables:
        return None
    one = tables[0]
    count, first, bits = (int(number) for number in one.LUTDescriptor)
    data = one.LUTData
    if isinstance(data, bytes):
        entries = np.frombuffer(data, ">u2" if big else "<u2")
    else:
        entries = np.atleast_1d(np.asarray(data, np.uint16))
    count = count or 1 << 16
    if len(entries) < count or not 0 < bits <= 16:
        raise FormatError("bad-window", "the DICOM VOI LUT holds fewer entries than it promises")
    return Table(first, entries[:count], (1 << bits) - 1)

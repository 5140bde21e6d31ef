"""GIFTI read array by array, as its XML comes: memory does not grow with the number of arrays.

Entities are refused where they are declared, and nothing outside the file is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.parsers import expat

import numpy as np
import pybase64
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError

_BLOCK = 1 << 16
_TYPES = {"UINT8": "u1", "INT8": "i1", "UINT16": "u2", "INT16": "i2", "UINT32": "u4", "INT32": "i4", "UINT64": "u8",
          "INT64": "i8", "FLOAT32": "f4", "FLOAT64": "f8"}  # fmt: skip
_TEXTS = ("Name", "Value", "Data")
# Of names and values of metadata, characters; what is longer is no name of a structure.
_SHORT = 1 << 12


@dataclass(slots=True)
class GiftiArray:
    """One array: its attributes and metadata, those of the file, and its values, None before they are read."""

    attributes: dict[str, str]
    whole: dict[str, str]
    file_meta: dict[str, str]
    meta: dict[str, str] = field(default_factory=dict)
    values: NDArray[Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """As the attributes say. FormatError where they say none."""
        try:
            shape = tuple(int(self.attributes[f"Dim{n}"]) for n in range(int(self.attributes["Dimensionality"])))
        except (KeyError, ValueError):
            raise _damaged() from None
        if not shape or min(shape) < 0 or max(shape) > 1 << 31:
            raise _damaged()
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values, in this machine's order."""
        name = self.attributes.get("DataType", "").removeprefix("NIFTI_TYPE_")
        if name not in _TYPES:
            raise FormatError("unsupported", f"values of type {name or 'unknown'} are no plain numbers")
        return np.dtype(_TYPES[name])


def gifti_arrays(path: str) -> Iterator[GiftiArray]:
    """The arrays of a file, each twice: when its values are about to come, without them, and when they are there.

    Raises:
        FormatError: the file is damaged, ends early, declares entities, or keeps values in another file.
    """
    reader = _Reader()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK):
                reader.parser.Parse(block, False)
                yield from reader.taken()
        reader.parser.Parse(b"", True)
    except expat.ExpatError:
        raise _damaged() from None
    yield from reader.taken()


class _Reader:
    """The state of the parser between its events."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._entity
        self._ready: list[GiftiArray] = []
        self._whole: dict[str, str] = {}
        self._file_meta: dict[str, str] = {}
        self._array: GiftiArray | None = None
        self._text: list[str] | None = None
        self._size, self._limit, self._name = 0, 0, ""

    def taken(self) -> Iterator[GiftiArray]:
        ready, self._ready = self._ready, []
        yield from ready

    def _entity(self, *declared: object) -> None:
        raise FormatError("bad-header", "the GIFTI file declares entities, which none needs: it is not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "GIFTI":
            self._whole = attributes
        elif name == "DataArray":
            self._array = GiftiArray(attributes, self._whole, self._file_meta)
        if name in _TEXTS:
            self._text, self._size, self._limit = [], 0, _SHORT
        if name == "Data" and self._array is not None:
            array = self._array
            # Digits, or base64 of what may not have shrunk at all.
            self._limit = 64 * (int(np.prod(array.shape, dtype=np.float64)) + 64) * array.dtype.itemsize
            self._ready.append(GiftiArray(array.attributes, array.whole, array.file_meta, array.meta))

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._size += len(text)
            if self._size > self._limit:
                raise _damaged()
            self._text.append(text)

    def _end(self, name: str) -> None:
        text, array = "".join(self._text or ()), self._array
        if name in _TEXTS:
            self._text = None
        if name == "Name":
            self._name = text.strip()
        elif name == "Value":
            (self._file_meta if array is None else array.meta)[self._name] = text.strip()
        elif name == "Data" and array is not None:
            array.values = _decoded(array, text)
            self._ready.append(array)
        elif name == "DataArray":
            self._array = None


def _decoded(array: GiftiArray, text: str) -> NDArray[Any]:
    shape, dtype, how = array.shape, array.dtype, array.attributes.get("Encoding", "")
    try:
        if how == "ASCII":
            return np.array(text.split(), dtype).reshape(shape)
        if how not in ("Base64Binary", "GZipBase64Binary"):
            raise FormatError("unsupported", f"the GIFTI file keeps its values as {how or 'nothing known'}")
        raw = pybase64.b64decode("".join(text.split()), validate=True)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if how == "GZipBase64Binary":
            # No more than the header names is unpacked, whatever was packed.
            raw = zlib.decompressobj().decompress(raw, size + 1)
        if len(raw) != size:
            raise _damaged()
        order: Literal["<", ">"] = ">" if array.attributes.get("Endian") == "BigEndian" else "<"
        return np.frombuffer(raw, dtype.newbyteorder(order)).astype(dtype, copy=False).reshape(shape)
    except FormatError:
        raise
    except (ValueError, zlib.error):
        raise _damaged() from None


def _damaged() -> FormatError:
    return FormatError("bad-header", "the GIFTI file is damaged or ends early")

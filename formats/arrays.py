"""Arrays inside a record: base64 of raw little-endian bytes, or a reference into an HDF5 file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError

INLINE_LIMIT = 64 * 2**20
_PLAIN_TYPE = re.compile(r"[<>|=]?[biufc]\d{1,2}")


@runtime_checkable
class LazyArray(Protocol):
    """A [rows, samples] array whose samples are read on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[rows, samples]."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        ...

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples `start` to `stop` of every row, [rows, stop - start]."""
        ...


@dataclass(slots=True)
class ArrayReference:
    """An array that stays in its HDF5 file until somebody reads it; with `rows`, only these of its first axis."""

    h5: str
    dataset: str
    row: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: tuple[int, int] | None = None

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples `start` to `stop` along the last axis; FormatError when the file does not hold them."""
        from medpipe.formats.hdf5 import read_row, read_rows

        if self.rows is not None:
            return read_rows(self.h5, self.dataset, self.row, self.shape, self.dtype, self.rows)[..., start:stop]
        return read_row(self.h5, self.dataset, self.row, self.shape, self.dtype, start, stop)


def reference_object(reference: ArrayReference, h5: str) -> dict[str, Any]:
    """The JSON object of an array that stays in its file; `h5` is the path to put into it."""
    made: dict[str, Any] = {"dtype": np.dtype(reference.dtype).str, "shape": list(reference.shape), "h5": h5}
    made |= {"dataset": reference.dataset, "row": reference.row}
    return made if reference.rows is None else {**made, "rows": list(reference.rows)}


def materialise(value: Any) -> NDArray[Any]:
    """The whole array, read now if it was on demand."""
    return value if isinstance(value, np.ndarray) else np.asarray(value.read())


def is_array(value: Any) -> bool:
    """Whether a record's value is an array, in memory or on demand."""
    return isinstance(value, np.ndarray) or (hasattr(value, "read") and hasattr(value, "shape"))


def array_bytes(value: Any) -> int:
    """Size in bytes, without reading anything."""
    size: int = math.prod(value.shape) * np.dtype(value.dtype).itemsize
    return size


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """C-ordered and little-endian, copied only when it was not."""
    dtype = array.dtype.newbyteorder("<") if array.dtype.byteorder == ">" else array.dtype
    return np.asarray(array, dtype=dtype, order="C")


def encode_inline(value: Any) -> orjson.Fragment:
    """The JSON object of an array; FormatError above 64 MiB."""
    size = array_bytes(value)
    if size > INLINE_LIMIT:
        raise FormatError(
            "array-too-large",
            f"an array of {size / 2**20:.0f} MiB is too large for a JSON line (limit 64 MiB):"
            " write HDF5, give --refs FILE.h5, or cut the recording with --segment SECONDS",
        )
    array = little_endian(materialise(value))
    head = f'{{"dtype":"{array.dtype.str}","shape":{list(array.shape)},"b64":"'.replace(" ", "")
    # The fragment skips a second pass over megabytes that need no escaping.
    payload = pybase64.b64encode(array.reshape(-1).view(np.uint8).data)
    return orjson.Fragment(b"".join((head.encode(), payload, b'"}')))


def parse_header(spec: dict[str, Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Checked dtype and shape of an array object; FormatError when either is nonsense."""
    shape, name = spec.get("shape"), spec.get("dtype")
    if not isinstance(name, str) or not _PLAIN_TYPE.fullmatch(name):
        raise FormatError("bad-array", "array dtype is not that of a number, such as <f4")
    try:
        dtype = np.dtype(name)
    except TypeError:
        raise FormatError("bad-array", "array dtype is not one that numpy knows") from None
    good = isinstance(shape, list) and all(type(n) is int and 0 <= n < 2**48 for n in shape) and len(shape) < 8
    if not good:
        raise FormatError("bad-array", "array shape is not a list of sizes")
    return dtype, tuple(shape or ())


def decode_inline(spec: dict[str, Any], payload: bytes | memoryview | str) -> NDArray[Any]:
    """The array of a base64 payload; FormatError when header and bytes disagree."""
    dtype, shape = parse_header(spec)
    try:
        raw = pybase64.b64decode(payload, validate=True)
    except ValueError as error:
        raise FormatError("bad-array", "array is not base64") from error
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise FormatError(
            "bad-array", f"array holds {len(raw)} bytes, its shape {list(shape)} and dtype {dtype.str} need others"
        )
    return np.frombuffer(raw, dtype=dtype).reshape(shape)

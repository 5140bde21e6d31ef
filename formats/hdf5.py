"""Read record streams kept as HDF5: row by row, in bounded memory."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from medpipe.formats.arrays import ArrayReference
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record, decode

FORMAT_ATTRIBUTE = "medpipe_format"
# Of a file of one record, in which each array is a dataset of its own shape: /responses is [time, voxels].
RUN_ATTRIBUTE = "medpipe_run"
# Of responses as the Huth lab publishes them: one dataset [time, voxels] and nothing else.
_BARE_RESPONSES = "data"
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
RESERVED = frozenset({"id", "record", "index"})
_OPEN_LIMIT = 4
_open: OrderedDict[str, h5py.File] = OrderedDict()


@contextmanager
def _sound(what: str) -> Iterator[None]:
    """Whatever h5py and numpy raise on a damaged file or another layout, as a FormatError."""
    try:
        yield
    except FormatError:
        raise
    except (OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError):
        raise FormatError("bad-hdf5", f"{what} cannot be read: the HDF5 file is damaged or of another layout") from None


def open_file(path: str) -> h5py.File:
    """The file, opened once and kept among the last few used; FormatError when it is not HDF5."""
    if path in _open:
        _open.move_to_end(path)
        return _open[path]
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise FormatError("missing-file", f"{os.path.basename(path)}: no such HDF5 file") from None
    except BlockingIOError:
        raise FormatError("locked", f"{os.path.basename(path)} is being written by another process") from None
    except OSError:
        raise FormatError("bad-hdf5", f"{os.path.basename(path)}: no readable HDF5 file, or a truncated one") from None
    _open[path] = file
    while len(_open) > _OPEN_LIMIT:
        _open.popitem(last=False)[1].close()
    return file


def close_files() -> None:
    """Close every file kept open."""
    while _open:
        _open.popitem()[1].close()


def _item(file: h5py.File, name: str, kind: type) -> Any:
    """A dataset or group of this very file: no link is followed into another one."""
    link = file.get(name, getlink=True) if name.strip("/") else None
    if not isinstance(link, h5py.HardLink):
        raise FormatError("bad-hdf5", f"HDF5 file of another layout: {name} is not in it")
    item = file[name]
    if not isinstance(item, kind) or (isinstance(item, h5py.Dataset) and item.external):
        raise FormatError("bad-hdf5", f"HDF5 file of another layout: {name} is not what it should be")
    return item


def count_records(path: str) -> int:
    """How many records the file holds; FormatError when it is not a medpipe record file."""
    file = open_file(path)
    with _sound("the list of records"):
        version = file.attrs.get(FORMAT_ATTRIBUTE)
        if version is None and _is_bare(file):
            return 1
        if version is None:
            raise FormatError("bad-hdf5", "HDF5 file of another layout: it has no attribute medpipe_format")
        if int(version) != 1:
            raise FormatError("bad-hdf5", f"HDF5 record file of version {int(version)}; this medpipe reads version 1")
        ids, records = _item(file, "id", h5py.Dataset), _item(file, "record", h5py.Dataset)
        if ids.ndim != 1 or ids.shape != records.shape:
            raise FormatError("bad-hdf5", "HDF5 file of another layout: /id and /record differ in length")
        return int(ids.shape[0])


def _is_bare(file: h5py.File) -> bool:
    """Whether the file is a matrix of responses, [time, voxels], without a record beside it."""
    if not isinstance(file.get(_BARE_RESPONSES, getlink=True), h5py.HardLink):
        return False
    item = file[_BARE_RESPONSES]
    return isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "iuf" and not item.external


def iterate_ids(path: str) -> Iterator[str | None]:
    """Every id in order, read in blocks; None for a record that the file does not name."""
    total = count_records(path)
    if FORMAT_ATTRIBUTE not in open_file(path).attrs:
        yield None
        return
    for start in range(0, total, 1024):
        with _sound("the list of records"):
            block = _item(open_file(path), "id", h5py.Dataset)[start : start + 1024]
            names = [raw.decode("utf-8", "replace") for raw in block]
        yield from names


def read_record(path: str, row: int) -> Record:
    """Record `row` with its arrays as references, read when they are used."""
    file = open_file(path)
    if FORMAT_ATTRIBUTE not in file.attrs:
        item = file[_BARE_RESPONSES]
        return {"responses": ArrayReference(path, f"/{_BARE_RESPONSES}", 0, item.shape, item.dtype)}
    with _sound(f"row {row}"):
        record = decode(_item(file, "record", h5py.Dataset)[row])
        ident = _item(file, "id", h5py.Dataset)[row].decode("utf-8", "replace")
        arrays = _row_references(file, path, row)
    # The JSON keeps a null in the place of each array, so that the order of keys survives.
    return {"id": ident, **record, **arrays}


def _row_references(file: h5py.File, path: str, row: int) -> Record:
    found: Record = {}
    index = file.get("index")
    for field in sorted(index) if isinstance(index, h5py.Group) else []:
        at = int(_item(file, f"index/{field}", h5py.Dataset)[row])
        if at >= 0:
            shape, dtype = _shape_and_dtype(file, field, at)
            found[field] = ArrayReference(path, f"/{field}", at, shape, dtype)
    return found


def _shape_and_dtype(file: h5py.File, field: str, row: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    item = file.get(field)
    if isinstance(item, h5py.Dataset):
        return item.shape if RUN_ATTRIBUTE in file.attrs else item.shape[1:], item.dtype
    group = _item(file, field, h5py.Group)
    shape = tuple(int(n) for n in group["shape"][row] if n >= 0)
    return shape, np.dtype(group["dtype"][row].decode()) if "dtype" in group else group["data"].dtype


def read_row(
    path: str,
    dataset: str,
    row: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    start: int = 0,
    stop: int | None = None,
) -> NDArray[Any]:
    """Samples `start` to `stop` (last axis) of one row of a field; FormatError when the file disagrees."""
    file = open_file(path)
    field = dataset.strip("/")
    with _sound(f"row {row} of {dataset}"):
        if isinstance(file.get(field), h5py.Dataset):
            return _read_uniform(_item(file, field, h5py.Dataset), row, shape, dtype, start, stop)
        return _read_ragged(_item(file, field, h5py.Group), row, shape, dtype, start, stop)


def read_rows(
    path: str, dataset: str, row: int, shape: tuple[int, ...], dtype: np.dtype[Any], rows: tuple[int, int]
) -> NDArray[Any]:
    """Part of the first axis of one row of a field; FormatError when the file disagrees."""
    file = open_file(path)
    field = dataset.strip("/")
    with _sound(f"row {row} of {dataset}"):
        if not isinstance(file.get(field), h5py.Dataset):
            whole, kind = _shape_and_dtype(file, field, row)
            return _checked(_read_ragged(_item(file, field, h5py.Group), row, whole, kind, 0, None), shape, dtype, rows)
        item = _item(file, field, h5py.Dataset)
        alone = row == 0 and item.ndim == len(shape)
        part = item[rows[0] : rows[1]] if alone else item[row, rows[0] : rows[1]]
        return _checked(np.asarray(part), shape, dtype, (0, rows[1] - rows[0]))


def _checked(array: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], rows: tuple[int, int]) -> NDArray[Any]:
    part = array[rows[0] : rows[1]]
    if part.shape != shape or part.dtype != dtype:
        raise FormatError("bad-hdf5", "rows that a record names are not in the array that it names")
    return part


def _read_uniform(
    item: h5py.Dataset,
    row: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    start: int,
    stop: int | None,
) -> NDArray[Any]:
    if row == 0 and item.shape == shape and item.dtype == dtype:
        # The one record of a run, or of bare responses.
        return np.asarray(item[(..., slice(start, stop))])
    if row >= item.shape[0] or item.shape[1:] != shape or item.dtype != dtype:
        raise FormatError("bad-hdf5", f"{item.name} row {row} is not the array that the record names")
    if not shape:
        return np.asarray(item[row])
    return np.asarray(item[(row, ..., slice(start, stop))])


def _read_ragged(
    group: h5py.Group, row: int, shape: tuple[int, ...], dtype: np.dtype[Any], start: int, stop: int | None
) -> NDArray[Any]:
    first = int(group["offsets"][row])
    count = int(np.prod(shape, dtype=np.int64))
    data = group["data"]
    width = dtype.itemsize if "dtype" in group else 1
    if len(shape) == 2 and (start, stop) != (0, None) and width == 1:
        begin, end, _ = slice(start, stop).indices(shape[1])
        rows = [data[first + k * shape[1] + begin : first + k * shape[1] + end] for k in range(shape[0])]
        return np.stack(rows) if rows else np.empty((0, end - begin), dtype)
    flat = np.asarray(data[first : first + count * width])
    if flat.size != count * width:
        raise FormatError("bad-hdf5", f"{group.name} row {row} is shorter than its shape")
    whole = (flat.view(dtype) if width != 1 or "dtype" in group else flat).reshape(shape)
    return whole[..., slice(start, stop)] if shape else whole

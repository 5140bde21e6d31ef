"""Write a record stream as HDF5, from its lines and the raw bytes of its arrays.

Layout (version 1): `/id`, `/record` (the rest of each record as JSON), for each array field `/FIELD` [n, ...]
where every record that has it agrees in shape and dtype, else `/FIELD/data`, `/FIELD/offsets`, `/FIELD/shape`
(and `/FIELD/dtype` with `data` as bytes where dtypes differ), and `/index/FIELD`, the row of each record or -1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import orjson

from medpipe.formats.arrays import encode_inline, is_array, little_endian, materialise
from medpipe.formats.hdf5 import FIELD_NAME, FORMAT_ATTRIBUTE, RESERVED
from medpipe.formats.jsonl import Record, dump

_BLOCK = 256
_CHUNK_BYTES = 1 << 18
_CACHE_BYTES = 1 << 20
_BLOB = "\x00blob"


def split(record: Record) -> tuple[bytes, list[bytes]]:
    """A line in which arrays are only described, and their raw bytes in the line's order.

    Arrays whose key cannot name a dataset stay inline.
    """
    plain: Record = {}
    blobs: list[bytes] = []
    for key, value in record.items():
        if not is_array(value):
            plain[key] = value
        elif FIELD_NAME.fullmatch(key) and key not in RESERVED:
            array = little_endian(materialise(value))
            plain[key] = {_BLOB: array.dtype.str, "shape": list(array.shape)}
            blobs.append(array.tobytes())
        else:
            plain[key] = encode_inline(value)
    return dump(plain), blobs


@dataclass
class _Field:
    """What is known of one array field after a first look at every line."""

    shapes: set[tuple[int, ...]] = field(default_factory=set)
    dtypes: set[str] = field(default_factory=set)
    rank: int = 0
    count: int = 0
    elements: int = 0
    bytes: int = 0

    def see(self, dtype: str, shape: list[int]) -> None:
        if len(self.shapes) < 2:
            self.shapes.add(tuple(shape))
        if len(self.dtypes) < 2:
            self.dtypes.add(dtype)
        self.rank = max(self.rank, len(shape))
        self.count += 1
        self.elements += math.prod(shape)
        self.bytes += math.prod(shape) * np.dtype(dtype).itemsize


def _blob_fields(record: Record) -> dict[str, dict[str, Any]]:
    return {key: value for key, value in record.items() if isinstance(value, dict) and _BLOB in value}


def refer(record: Record, h5: str, rows: dict[str, int]) -> Record:
    """A split record with references in the place of its arrays.

    Args:
        record: as `split` described it.
        h5: the path to put into the references.
        rows: the next row of each field; counted on.
    """
    for key, spec in _blob_fields(record).items():
        row = rows.get(key, 0)
        rows[key] = row + 1
        record[key] = {"dtype": spec[_BLOB], "shape": spec["shape"], "h5": h5, "dataset": f"/{key}", "row": row}
    return record


def survey(lines: Iterable[bytes]) -> tuple[int, dict[str, _Field]]:
    """Number of records and what each array field looks like over all of them."""
    fields: dict[str, _Field] = {}
    total = 0
    for line in lines:
        total += 1
        for key, spec in _blob_fields(orjson.loads(line)).items():
            fields.setdefault(key, _Field()).see(spec[_BLOB], spec["shape"])
    return total, fields


class _FieldWriter:
    """Appends the arrays of one field."""

    def __init__(self, file: h5py.File, name: str, seen: _Field, total: int) -> None:
        self.row = 0
        self.at = 0
        self.uniform = len(seen.shapes) == 1 and len(seen.dtypes) == 1
        self.mixed = len(seen.dtypes) > 1
        self.index: list[int] = []
        self._pending: list[Any] = []
        self.index_set = file.create_dataset(f"index/{name}", (total,), "<i8", chunks=_chunks(total, 8))
        if self.uniform:
            shape, dtype = next(iter(seen.shapes)), np.dtype(next(iter(seen.dtypes)))
            per_row = max(1, math.prod(shape) * dtype.itemsize)
            rows = max(1, min(seen.count, _CHUNK_BYTES // per_row))
            chunks = (rows, *shape) if math.prod(shape) else None
            self.rows_per_write = rows
            self.data = file.create_dataset(name, (seen.count, *shape), dtype, chunks=chunks)
            return
        group = file.create_group(name)
        kind = np.dtype("u1") if self.mixed else np.dtype(next(iter(seen.dtypes)))
        size = seen.bytes if self.mixed else seen.elements
        self.data = group.create_dataset("data", (size,), kind, chunks=_chunks(size, kind.itemsize))
        self.offsets = group.create_dataset("offsets", (seen.count,), "<i8", chunks=_chunks(seen.count, 8))
        self.shape = group.create_dataset(
            "shape", (seen.count, seen.rank), "<i8", fillvalue=-1, chunks=(min(seen.count, 1024), max(1, seen.rank))
        )
        if self.mixed:
            self.dtype = group.create_dataset("dtype", (seen.count,), "S8", chunks=_chunks(seen.count, 8))

    def append(self, blob: bytes, dtype: str, shape: list[int]) -> None:
        array = np.frombuffer(blob, np.dtype(dtype)).reshape(shape)
        if self.uniform:
            self._pending.append(array)
            if len(self._pending) >= self.rows_per_write:
                self.flush()
        else:
            flat = array.reshape(-1).view("u1") if self.mixed else array.reshape(-1)
            self.data[self.at : self.at + flat.size] = flat
            self.offsets[self.row] = self.at
            self.shape[self.row] = [*shape, *[-1] * (self.shape.shape[1] - len(shape))]
            if self.mixed:
                self.dtype[self.row] = np.dtype(dtype).str.encode()
            self.at += flat.size
            self.row += 1

    def flush(self) -> None:
        if self._pending:
            self.data[self.row : self.row + len(self._pending)] = np.stack(self._pending)
            self.row += len(self._pending)
            self._pending.clear()


def _chunks(size: int, itemsize: int) -> tuple[int] | None:
    return (min(size, _CHUNK_BYTES // itemsize),) if size else None


def assemble(lines: Callable[[], Iterable[bytes]], blobs: BinaryIO, target: Path, provenance: dict[str, str]) -> None:
    """Build the HDF5 file in two passes over the lines; the same lines give the same bytes.

    Args:
        lines: gives the lines from the beginning, as often as it is called.
        blobs: the arrays' bytes in the order of the lines.
        target: the file to write.
        provenance: attributes of the file.
    """
    total, seen = survey(lines())
    with h5py.File(target, "w", libver=("v108", "v108"), rdcc_nbytes=_CACHE_BYTES // 4) as file:
        _bound_cache(file)
        file.attrs[FORMAT_ATTRIBUTE] = 1
        for name, value in provenance.items():
            file.attrs[name] = value
        text = h5py.string_dtype()
        ids = file.create_dataset("id", (total,), text, chunks=_chunks(total, 256))
        records = file.create_dataset("record", (total,), text, chunks=_chunks(total, 256))
        file.create_group("index")
        writers = {name: _FieldWriter(file, name, seen[name], total) for name in sorted(seen)}
        start, block = 0, _Block()
        for line in lines():
            block.add(line, writers, blobs)
            if len(block.ids) == _BLOCK:
                start = block.write(start, ids, records, writers)
        block.write(start, ids, records, writers)
        for writer in writers.values():
            writer.flush()


def _bound_cache(file: h5py.File) -> None:
    """Metadata, the heaps of texts among them, would grow in memory to 32 MiB before it is written out."""
    config = file.id.get_mdc_config()
    config.set_initial_size, config.initial_size = True, _CACHE_BYTES
    config.min_size = config.max_size = _CACHE_BYTES
    config.flash_incr_mode = 0
    file.id.set_mdc_config(config)


class _Block:
    """A few records on their way into the file."""

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.records: list[bytes] = []

    def add(self, line: bytes, writers: dict[str, _FieldWriter], blobs: BinaryIO) -> None:
        record = orjson.loads(line)
        arrays = _blob_fields(record)
        for name, writer in writers.items():
            writer.index.append(writer.row + len(writer._pending) if name in arrays else -1)
        for key, spec in arrays.items():
            size = math.prod(spec["shape"]) * np.dtype(spec[_BLOB]).itemsize
            writers[key].append(blobs.read(size), spec[_BLOB], spec["shape"])
            record[key] = None
        self.ids.append(str(record.pop("id", "")).encode("utf-8", "surrogatepass"))
        self.records.append(orjson.dumps(record))

    def write(self, start: int, ids: h5py.Dataset, records: h5py.Dataset, writers: dict[str, _FieldWriter]) -> int:
        stop = start + len(self.ids)
        if stop == start:
            return start
        ids[start:stop] = self.ids
        records[start:stop] = self.records
        for writer in writers.values():
            writer.index_set[start:stop] = writer.index
            writer.index.clear()
        self.ids.clear()
        self.records.clear()
        return stop

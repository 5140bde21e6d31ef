"""Responses of one run in HDF5: `/responses` [time, voxels] float32, with the record that says what they are.

The file is one of records that holds a single one, each array of it a dataset of its own shape. The responses lie in
one piece; they are written past libhdf5, which takes a full disk badly, at the place that it has set aside for them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from medpipe.formats.arrays import ArrayReference, is_array, little_endian, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.hdf5 import FORMAT_ATTRIBUTE, RUN_ATTRIBUTE, open_file
from medpipe.formats.jsonl import Record, dump

RESPONSES = "responses"
_ROWS = 8
_VERSION = ("v108", "v108")


def create_run(path: Path, shape: tuple[int, int]) -> None:
    """A file with room for responses [time, voxels], none of them written."""
    with h5py.File(path, "w", libver=_VERSION) as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.CONTIGUOUS)
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        layout.set_obj_track_times(False)
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file.id, RESPONSES.encode(), h5py.h5t.IEEE_F32LE, space, layout)


def finish_run(path: Path, record: Record) -> None:
    """Put the record and its other arrays beside the responses."""
    with h5py.File(path, "r+", libver=_VERSION) as file:
        file.attrs[FORMAT_ATTRIBUTE] = 1
        file.attrs[RUN_ATTRIBUTE] = 1
        plain = {key: None if is_array(value) else value for key, value in record.items() if key != "id"}
        for key, value in record.items():
            if is_array(value):
                file.create_dataset(f"index/{key}", data=np.zeros(1, "<i8"))
            if is_array(value) and key != RESPONSES:
                file.create_dataset(key, data=little_endian(materialise(value)))
        text = h5py.string_dtype()
        file.create_dataset("id", data=[str(record["id"]).encode("utf-8", "surrogatepass")], dtype=text)
        file.create_dataset("record", data=[dump(plain).strip()], dtype=text)


def stamp_run(path: Path, provenance: dict[str, str]) -> None:
    """Give the file the attributes that say what made it."""
    with h5py.File(path, "r+", libver=_VERSION) as file:
        for name, value in provenance.items():
            file.attrs[name] = value


def run_references(record: Record, h5: str) -> Record:
    """The record of a run with references in the place of its arrays; `h5` is the path to put into them."""
    return {
        key: {"dtype": np.dtype(value.dtype).str, "shape": list(value.shape), "h5": h5, "dataset": f"/{key}", "row": 0}
        if is_array(value)
        else value
        for key, value in record.items()
    }


def response_rows(path: str) -> Iterator[NDArray[np.float32]]:
    """The responses of a run file, time by time. FormatError when they cannot be read."""
    file = open_file(path)
    try:
        responses = file[RESPONSES]
        for start in range(0, len(responses), _ROWS):
            yield from np.asarray(responses[start : start + _ROWS], np.float32)
    except (OSError, RuntimeError, KeyError):
        raise FormatError("bad-hdf5", "the responses cannot be read: the HDF5 file is damaged") from None


@dataclass(slots=True)
class StoredResponses:
    """The responses of a run file under way, [time, voxels] float32."""

    path: Path
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Single precision."""
        return np.dtype("<f4")

    @property
    def folder(self) -> Path:
        """Where there is room for what is made on the way."""
        return self.path.parent

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Voxels `start` to `stop` at all times."""
        return ArrayReference(str(self.path), f"/{RESPONSES}", 0, self.shape, self.dtype).read(start, stop)

    def writer(self) -> ResponseWriter:
        """Takes the responses."""
        with h5py.File(self.path, "r") as file:
            offset = int(file[RESPONSES].id.get_offset())
        return ResponseWriter(os.open(self.path, os.O_RDWR), offset, self.shape)

    def discard(self) -> None:
        """The run came to nothing."""
        self.path.unlink(missing_ok=True)


class ResponseWriter:
    """Puts responses [time, voxels] float32 into an open file, from `offset` on. OSError when the disk is full."""

    def __init__(self, file: int, offset: int, shape: tuple[int, int]) -> None:
        self._file, self._offset, self.shape = file, offset, shape

    def rows(self, start: int, block: NDArray[np.float32]) -> None:
        """Times from `start` on, [n, voxels]."""
        self._put(np.ascontiguousarray(block, "<f4"), start * self.shape[1])

    def fill(self, columns: NDArray[np.intp], value: float) -> None:
        """One value at all times of these voxels."""
        row = np.empty(self.shape[1], "<f4")
        for time in range(self.shape[0]):
            at = time * self.shape[1]
            row[:] = np.frombuffer(os.pread(self._file, row.nbytes, self._offset + 4 * at), "<f4")
            row[columns] = value
            self._put(row, at)

    def _put(self, values: NDArray[Any], at: int) -> None:
        view, place = memoryview(values.data).cast("B"), self._offset + 4 * at
        while view:
            done = os.pwrite(self._file, view, place)
            view, place = view[done:], place + done

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)


class ScratchResponses:
    """The responses of a run that is not kept, [time, voxels] float32, in a nameless file that goes with it."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape, self.dtype, self.folder = shape, np.dtype("<f4"), Path(tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=self.folder, buffering=0)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Voxels `start` to `stop` at all times."""
        return self.part(0, self.shape[0])[:, start:stop]

    def part(self, first: int, stop: int) -> NDArray[np.float32]:
        """Times `first` to `stop` of all voxels."""
        row = 4 * self.shape[1]
        raw = os.pread(self._file.fileno(), (stop - first) * row, first * row)
        return np.frombuffer(raw, self.dtype).reshape(-1, self.shape[1])

    def writer(self) -> ResponseWriter:
        """See StoredResponses."""
        return ResponseWriter(os.dup(self._file.fileno()), 0, self.shape)

    def discard(self) -> None:
        """The file is gone."""
        self._file.close()


class ResponseArray:
    """Takes responses into memory, for a line that holds them."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.array: NDArray[np.float32] = np.empty(shape, np.float32)

    def rows(self, start: int, block: NDArray[np.float32]) -> None:
        """See ResponseWriter."""
        self.array[start : start + len(block)] = block

    def fill(self, columns: NDArray[np.intp], value: float) -> None:
        """See ResponseWriter."""
        self.array[:, columns] = value

    def close(self) -> None:
        """See ResponseWriter."""

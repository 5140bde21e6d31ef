"""A matrix too large for memory on its way from rows to columns and back: written by times, read by voxels."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TileFile:
    """A nameless file of tiles, [times, a few voxels] each, that is gone when it is closed, whatever happens.

    What writes raises OSError when the disk takes no more.

    Args:
        shape: times and voxels of the whole.
        dtype: of the values.
        width: voxels in a tile.
        folder: where there is room.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], width: int, folder: Path) -> None:
        self.shape, self.dtype, self.width = shape, dtype, width
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)

    def write_rows(self, start: int, block: NDArray[Any]) -> None:
        """Times from `start` on, [n, voxels]."""
        for first in range(0, self.shape[1], self.width):
            self._put(first, start, block[:, first : first + self.width])

    def write_tile(self, first: int, tile: NDArray[Any]) -> None:
        """All times of the tile whose first voxel is `first`, [time, n]."""
        self._put(first, 0, tile)

    def tiles(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """First voxel of each tile, and the tile, [time, n]."""
        for first in range(0, self.shape[1], self.width):
            yield first, self._get(first, 0, self.shape[0])

    def rows(self, count: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """First time of each block of `count` times, and the block, [n, voxels]; its memory is used again."""
        block = np.empty((count, self.shape[1]), self.dtype)
        for start in range(0, self.shape[0], count):
            stop = min(self.shape[0], start + count)
            for first in range(0, self.shape[1], self.width):
                block[: stop - start, first : first + self.width] = self._get(first, start, stop)
            yield start, block[: stop - start]

    def _place(self, first: int, start: int, count: int) -> int:
        """Where in the file the times from `start` on of a tile of `count` voxels lie."""
        return (self.shape[0] * first + start * count) * self.dtype.itemsize

    def _put(self, first: int, start: int, part: NDArray[Any]) -> None:
        whole = np.ascontiguousarray(part, self.dtype)
        view, place = memoryview(whole.view(np.uint8).reshape(-1).data), self._place(first, start, part.shape[1])
        while view:
            done = os.pwrite(self._file.fileno(), view, place)
            view, place = view[done:], place + done

    def _get(self, first: int, start: int, stop: int) -> NDArray[Any]:
        count = min(self.width, self.shape[1] - first)
        size = (stop - start) * count * self.dtype.itemsize
        raw = os.pread(self._file.fileno(), size, self._place(first, start, count))
        return np.frombuffer(raw, self.dtype).reshape(stop - start, count)

    def close(self) -> None:
        """The file is gone."""
        self._file.close()

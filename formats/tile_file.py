"""A matrix too large for memory on its way from rows to columns: written by times, read by voxels."""

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

    Args:
        shape: times and voxels of the whole.
        dtype: of the values.
        width: voxels in a tile.
        folder: where there is room.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], width: int, folder: Path) -> None:
        self.shape, self.dtype, self.width = shape, dtype, width
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)

    def write(self, start: int, block: NDArray[Any]) -> None:
        """Times from `start` on, [n, voxels]. OSError when the disk takes no more."""
        times, voxels = self.shape
        for first in range(0, voxels, self.width):
            part = np.ascontiguousarray(block[:, first : first + self.width])
            place = (times * first + start * part.shape[1]) * self.dtype.itemsize
            view = memoryview(part.view(np.uint8).reshape(-1).data)
            while view:
                done = os.pwrite(self._file.fileno(), view, place)
                view, place = view[done:], place + done

    def tiles(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """First voxel of each tile, and the tile, [times, n]."""
        times, voxels = self.shape
        for first in range(0, voxels, self.width):
            count = min(self.width, voxels - first)
            size = self.dtype.itemsize * times
            raw = os.pread(self._file.fileno(), size * count, size * first)
            yield first, np.frombuffer(raw, self.dtype).reshape(times, count)

    def close(self) -> None:
        """The file is gone."""
        self._file.close()

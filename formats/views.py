"""Parts of a signal that are read on demand: some of its rows, some of its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.arrays import LazyArray


@dataclass(slots=True)
class Part:
    """Rows `rows` and samples `start` to `stop` of a signal [leads, samples]."""

    base: LazyArray
    rows: list[int]
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        """[rows, samples] of the part."""
        return len(self.rows), self.stop - self.start

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.base.dtype

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples `start` to `stop` of the part, [rows, stop - start]."""
        end = self.stop if stop is None else min(self.stop, self.start + stop)
        read = np.asarray(self.base.read(self.start + start, end))
        return read if self.rows == list(range(len(read))) else read[self.rows]


def part(base: LazyArray, rows: list[int] | None = None, start: int = 0, stop: int | None = None) -> Part:
    """A part of a signal; a part of a part goes straight to what lies below."""
    stop = base.shape[1] if stop is None else stop
    rows = list(range(base.shape[0])) if rows is None else rows
    if isinstance(base, Part):
        return Part(base.base, [base.rows[row] for row in rows], base.start + start, base.start + stop)
    return Part(base, rows, start, stop)

"""Runs in GIFTI (`.func.gii`): an array of a surface's vertices for each time, read one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.gifti_stream import gifti_arrays
from medpipe.formats.series import Series

UNKNOWN = "unknown"


@dataclass(slots=True)
class GiftiSeries(Series):
    """See Series; [vertices, time]."""

    @property
    def by_volume(self) -> bool:
        """See Series."""
        return True

    def volumes(self) -> Iterator[NDArray[Any]]:
        """See Series."""
        number = 0
        for array in gifti_arrays(self.path):
            if array.values is None:
                continue
            if array.values.shape != self.shape[:1]:
                raise FormatError("not-4d", f"array {number} has {array.values.shape}, the first {self.shape[:1]}")
            if number == self.count:
                break
            yield array.values.astype(self.dtype, copy=False)
            number += 1
        if number < self.count:
            raise FormatError("truncated", f"the header names {self.count} volumes, the file ends after {number}")


def open_gifti(path: str) -> Series:
    """The run of a GIFTI file, by what stands before its first values. FormatError when it is no time series."""
    first = next(gifti_arrays(path), None)
    if first is None or len(first.shape) != 1 or first.shape[0] < 1:
        raise FormatError("not-4d", "the GIFTI file is no run: a run has one array of vertices for each time")
    times = first.whole.get("NumberOfDataArrays", "")
    if not times.isdecimal() or not 0 < int(times) < 1 << 31:
        raise FormatError("bad-header", "the GIFTI file does not say how many arrays it has")
    structure, count = first.file_meta.get("AnatomicalStructurePrimary") or UNKNOWN, first.shape[0]
    facts = {"structures": [{"name": structure, "start": 0, "stop": count, "surface": count}]}
    return GiftiSeries(
        "gifti", path, (count, int(times)), first.dtype, _tr(first.meta.get("TimeStep", "")), facts,
        {"vertices": np.arange(count, dtype="<i4")},
    )  # fmt: skip


def _tr(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

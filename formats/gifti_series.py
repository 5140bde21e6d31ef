"""Runs in GIFTI (`.func.gii`): an array of a surface's vertices for each time, read whole, as XML has to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.nibabel_file import load_image
from medpipe.formats.series import Series


@dataclass(slots=True)
class GiftiSeries(Series):
    """See Series; [vertices, time]."""

    arrays: list[NDArray[Any]] = field(default_factory=list)

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """See Series."""
        return np.stack([array[start:stop] for array in self.arrays])


def open_gifti(path: str) -> Series:
    """The run of a GIFTI file. FormatError when it is damaged or no time series."""
    image = load_image(path, "GIFTI file")
    arrays = [np.asarray(one.data) for one in image.darrays]
    if not arrays or arrays[0].ndim != 1 or any(one.shape != arrays[0].shape for one in arrays):
        raise FormatError("not-4d", "the GIFTI file is no run: a run has one array of vertices for each time")
    structure = dict(image.meta).get("AnatomicalStructurePrimary")
    count = arrays[0].size
    facts = {"structures": [{"name": structure or "unknown", "start": 0, "stop": count}]}
    step = dict(image.darrays[0].meta).get("TimeStep", "")
    return GiftiSeries(
        "gifti", path, (count, len(arrays)), arrays[0].dtype, _tr(step), facts,
        {"vertices": np.arange(count, dtype="<i4")}, arrays=arrays,
    )  # fmt: skip


def _tr(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""Runs of functional images: what every reader hands over, values read on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.bids_sidecar import sidecar_time
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

# Seconds; what lies outside is a header in milliseconds, or none.
_TR_RANGE = (0.05, 30.0)
# Of a TR: what header and sidecar may be apart, since one of them is rounded.
_APART = 0.01


@dataclass(slots=True)
class Series:
    """A run on disk.

    Args:
        format: `nifti`, `cifti` or `gifti`.
        path: of the file.
        shape: [x, y, z, time], or [places, time] on a surface.
        dtype: of the values on disk.
        tr: seconds from one volume to the next as the header says; None where it says nothing.
        facts: what the record says of space: `affine`, `structures`.
        indices: arrays with a row for each place, such as `vertices`; of surfaces only.
    """

    format: str
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    tr: float | None
    facts: dict[str, Any] = field(default_factory=dict)
    indices: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of volumes."""
        return self.shape[-1]

    @property
    def is_volume(self) -> bool:
        """Whether places are voxels of a grid, not of a surface."""
        return len(self.shape) == 4

    @property
    def by_volume(self) -> bool:
        """Whether it is read by `volumes`, not by `columns`."""
        return self.is_volume

    def volumes(self) -> Iterator[NDArray[Any]]:
        """Each volume as it lies on disk, flat, x fastest; the same memory every time. FormatError."""
        raise NotImplementedError

    def scaled(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of `volumes` in the file's own unit, float64 or as they were where nothing scales them."""
        return values

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """All times of the places `start` to `stop`, [time, stop - start]. FormatError."""
        raise NotImplementedError

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Volumes `start` to `stop`, [x, y, z, stop - start]."""
        chosen = range(*slice(start, stop).indices(self.count))
        if not self.by_volume:
            return self.columns(0, self.shape[0])[chosen.start : chosen.stop].T.astype(np.float32)
        made = np.empty((*self.shape[:-1], len(chosen)), np.float32)
        for number, volume in zip(range(chosen.stop), self.volumes(), strict=False):
            if number in chosen:
                made[..., number - chosen.start] = self.scaled(volume).reshape(self.shape[:-1], order="F")
        return made


def series_record(series: Series, ident: str, source: dict[str, Any] | None) -> Record:
    """The record of a run; its values stay in the file."""
    record: Record = {"id": ident}
    if source is not None:
        record["source"] = source
    record |= {"tr": series.tr, **series.facts, "bold": series}
    return record


def repetition_time(series: Series, given: float | None) -> tuple[float, str]:
    """Seconds from volume to volume, and who says so: `option`, `header` or `sidecar`.

    Raises:
        FormatError: neither the header nor a BIDS sidecar says a plausible one, or they say different ones.
    """
    if given is not None:
        return given, "option"
    fault, beside = _fault(series.tr), sidecar_time(series.path)
    if beside is not None and _fault(beside[0]) is None:
        tr, name = beside
        if fault is not None:
            return tr, "sidecar"
        if abs(tr - (series.tr or 0)) > _APART * tr:
            raise FormatError("bad-tr", f"the header gives a TR of {series.tr:g} s, {name} {tr:g} s: give --tr SECONDS")
    if fault is not None:
        raise FormatError("bad-tr", f"the header gives a TR of {fault}")
    return float(series.tr or 0), "header"


def _fault(tr: float | None) -> str | None:
    """What is wrong with a TR, and what to do; None for a plausible one."""
    if tr is None or tr == 0:
        return "0: give --tr SECONDS"
    if not np.isfinite(tr) or tr < 0:
        return f"{tr:g} s: give --tr SECONDS"
    low, high = _TR_RANGE
    if tr > high:
        return f"{tr:g} s, which looks like ms: give --tr {tr / 1000:g}"
    return f"{tr:g} s, too short to be one: give --tr SECONDS" if tr < low else None

"""A run through memory piece by piece: volumes as they come, then a few voxels at all times where they are cleaned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.fmri_places import Places
from medpipe.core.fmri.cleaning import Cleaner
from medpipe.formats.series import Series
from medpipe.formats.tile_file import TileFile

# Values of a block of volumes, and of a tile of voxels: what is held does not grow with the run.
_BLOCK, _TILE = 1 << 20, 1 << 19


class Writer(Protocol):
    """Takes the responses, [time, voxels]."""

    def rows(self, start: int, block: NDArray[np.float32]) -> None:
        """Times from `start` on."""
        ...

    def fill(self, columns: NDArray[np.intp], value: float) -> None:
        """One value at all times of these voxels."""
        ...


@dataclass(slots=True)
class Passage:
    """One run on its way.

    Args:
        series: the run.
        places: its columns.
        first: volumes that are dropped.
        keep: of the volumes after those, [time].
        cleaner: None where the values stay as they are.
        bad: what stands in place of a voxel with values that are not finite, and of one without any change.
        blank: filled on the way: numbers of the kept volumes that hold one value everywhere, as lost frames do.
    """

    series: Series
    places: Places
    first: int
    keep: NDArray[np.bool_]
    cleaner: Cleaner | None
    bad: float
    blank: list[int] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the responses, [time, voxels]."""
        return int(self.keep.sum()), self.places.count

    def through(self, writer: Writer, folder: Path) -> dict[str, int]:
        """Everything into the writer; counts of voxels `constant` and `not_finite`.

        Args:
            writer: of the responses.
            folder: where there is room for a temporary file.
        """
        if not self.places.whole and self.cleaner is None:
            return self._by_rows(writer, folder)
        clean = TileFile(self.shape, np.dtype(np.float32), self._width(), folder)
        try:
            counts = self._by_tiles(self._tiles(folder), clean)
            for start, block in clean.rows(self._height()):
                writer.rows(start, block)
            return counts
        finally:
            clean.close()

    def _tiles(self, folder: Path) -> Iterator[tuple[int, NDArray[Any]]]:
        """First voxel of each tile, and the tile at all times but the dropped ones, [time, n], as on disk."""
        if self.places.whole:
            yield from self._columns()
            return
        staged = TileFile((len(self.keep), self.places.count), self.places.dtype, self._width(), folder)
        try:
            for start, block in self._blocks(folder):
                staged.write_rows(start, block)
            yield from staged.tiles()
        finally:
            staged.close()

    def _columns(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Tiles of a run that lies place by place."""
        first: Any = None
        same = self.keep.copy()
        for start in range(0, self.places.count, self._width()):
            tile = self.series.columns(start, min(self.places.count, start + self._width()))[self.first :]
            first = tile[:, :1].copy() if first is None else first
            same &= ((tile == first) | (np.isnan(tile) & np.isnan(first))).all(axis=1)
            yield start, tile
        if self.places.count > 1:
            self.blank += (self.first + np.flatnonzero(same)).tolist()

    def _width(self) -> int:
        return max(1, min(self.places.count, _TILE // len(self.keep)))

    def _height(self) -> int:
        return max(1, min(len(self.keep), _BLOCK // self.places.count))

    def _blocks(self, folder: Path) -> Iterator[tuple[int, NDArray[Any]]]:
        """First time of each block after the dropped volumes, and the block; its memory is used again."""
        size = self._height()
        block = np.empty((size, self.places.count), self.places.dtype)
        start = held = 0
        for number, volume in enumerate(self._volumes(folder)):
            if number < self.first:
                continue
            if self.keep[number - self.first] and _blank(volume):
                self.blank.append(number)
            self.places.take(volume, block[held])
            held += 1
            if held == size:
                yield start, block
                start, held = start + held, 0
        if held:
            yield start, block[:held]

    def _volumes(self, folder: Path) -> Iterator[NDArray[Any]]:
        """All places of each time, through a file where the run lies place by place."""
        if self.series.by_volume:
            yield from self.series.volumes()
            return
        count, width = self.series.shape[0], max(1, _TILE // self.series.count)
        turned = TileFile((self.series.count, count), np.dtype(np.float32), min(count, width), folder)
        try:
            for start in range(0, count, turned.width):
                turned.write_tile(start, self.series.columns(start, min(count, start + turned.width)))
            for _, block in turned.rows(max(1, min(self.series.count, _BLOCK // count))):
                yield from block
        finally:
            turned.close()

    def _values(self, block: NDArray[Any]) -> NDArray[Any]:
        return block if self.places.made else self.series.scaled(block)

    def _by_rows(self, writer: Writer, folder: Path) -> dict[str, int]:
        """The volumes as they are, in one pass."""
        watch = _Watch(self.places.count)
        done = 0
        for start, block in self._blocks(folder):
            watch.see(block)
            kept = self.keep[start : start + len(block)]
            values = self._values(block).astype(np.float32)
            writer.rows(done, values if kept.all() else values[kept])
            done += int(kept.sum())
        spoilt = ~watch.finite
        if np.isnan(self.bad):
            spoilt |= ~watch.changed
        if spoilt.any():
            writer.fill(np.flatnonzero(spoilt), self.bad)
        return {"constant": int((~watch.changed & watch.finite).sum()), "not_finite": int((~watch.finite).sum())}

    def _by_tiles(self, tiles: Iterator[tuple[int, NDArray[Any]]], made: TileFile) -> dict[str, int]:
        """Tiles cleaned, where there is a cleaner, one by one."""
        counts = {"constant": 0, "not_finite": 0}
        for start, tile in tiles:
            values = self._values(tile)
            finite = np.isfinite(values).all(axis=0) if values.dtype.kind == "f" else np.ones(values.shape[1], bool)
            if not finite.all():
                values = np.where(finite, values, 0)
            if self.cleaner is None:
                constant = (values == values[0]).all(axis=0)
                clean = values[self.keep].astype(np.float32)
            else:
                clean, constant = self.cleaner(values)
            constant &= finite
            clean[:, ~finite] = self.bad
            if np.isnan(self.bad):
                clean[:, constant] = self.bad
            made.write_tile(start, clean)
            counts["constant"] += int(constant.sum())
            counts["not_finite"] += int((~finite).sum())
        return counts


def _blank(volume: NDArray[Any]) -> bool:
    """Whether a volume has one value everywhere, or none: a few places tell of nearly all that they have not."""
    return volume.size > 1 and _one_value(volume[:: max(1, volume.size // 64)]) and _one_value(volume)


def _one_value(values: NDArray[Any]) -> bool:
    return bool((values == values[0]).all() or (values.dtype.kind == "f" and np.isnan(values).all()))


class _Watch:
    """Which voxels change at all, and which are finite throughout, seen block by block."""

    def __init__(self, count: int) -> None:
        self.changed = np.zeros(count, bool)
        self.finite = np.ones(count, bool)
        self._first: NDArray[Any] | None = None

    def see(self, block: NDArray[Any]) -> None:
        """A block of volumes, [n, voxels]."""
        if self._first is None:
            self._first = block[0].copy()
        self.changed |= (block != self._first).any(axis=0)
        if block.dtype.kind == "f":
            self.finite &= np.isfinite(block).all(axis=0)

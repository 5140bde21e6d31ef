"""WFDB signal files: samples out of the bit layouts of signal(5), any part of a file without the rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_files import file_size, read_bytes, truncated

Counts = NDArray[np.signedinteger[Any]]

# Frames added up at a time on the way to the start of a window of differences.
_STRIDE = 1 << 16


def _words(dtype: str) -> Callable[[NDArray[np.uint8]], Counts]:
    return lambda raw: raw.view(dtype)


def _offset_bytes(raw: NDArray[np.uint8]) -> Counts:
    return raw.astype(np.int16) - np.int16(128)


def _offset_words(raw: NDArray[np.uint8]) -> Counts:
    return (raw.view("<u2") ^ np.uint16(0x8000)).astype(np.uint16).view(np.int16)


def _big_endian(raw: NDArray[np.uint8]) -> Counts:
    return raw.view(">i2").astype(np.int16)


def _triple_bytes(raw: NDArray[np.uint8]) -> Counts:
    wide = np.zeros((len(raw) // 3, 4), np.uint8)
    wide[:, 1:] = raw.reshape(-1, 3)
    return wide.view("<i4").reshape(-1) >> 8


def _format_212(raw: NDArray[np.uint8]) -> Counts:
    """Two samples of 12 bits in three bytes; the middle byte holds the high bits of both."""
    low, middle, high = raw.reshape(-1, 3).astype(np.uint16).T
    pairs = np.empty((len(low), 2), np.uint16)
    # Each sample is put into the upper twelve bits, so that the shift back extends its sign.
    pairs[:, 0] = middle << 12 | low << 4
    pairs[:, 1] = (middle & 0xF0) << 8 | high << 4
    return pairs.view(np.int16).reshape(-1) >> 4


def _format_310(raw: NDArray[np.uint8]) -> Counts:
    """Three samples of 10 bits in two little-endian words: 11 bits each, and the rest in their high bits."""
    first, second = raw.view("<u2").reshape(-1, 2).T
    triples = np.empty((len(first), 3), np.uint16)
    triples[:, 0] = first << 5
    triples[:, 1] = second << 5
    triples[:, 2] = first >> 11 << 6 | second >> 11 << 11
    return _ten_bits(triples)


def _format_311(raw: NDArray[np.uint8]) -> Counts:
    """Three samples of 10 bits in a little-endian 32-bit word, the first lowest."""
    word = raw.view("<u4")
    triples = np.empty((len(word), 3), np.uint16)
    for column in range(3):
        triples[:, column] = word >> (10 * column) << 6 & 0xFFFF
    return _ten_bits(triples)


def _ten_bits(upper: NDArray[np.uint16]) -> Counts:
    return upper.view(np.int16).reshape(-1) >> 6


class Layout(NamedTuple):
    """How a format lays samples out: in blocks of `samples` that take `bytes`."""

    samples: int
    bytes: int
    # The count that stands for an absent sample.
    absent: int | None
    decode: Callable[[NDArray[np.uint8]], Counts]
    # Bytes of an incomplete block at the end, by the samples that it holds.
    tail: tuple[int, ...] = (0,)


LAYOUTS = {
    8: Layout(1, 1, None, _words("i1")),
    16: Layout(1, 2, -(2**15), _words("<i2")),
    24: Layout(1, 3, -(2**23), _triple_bytes),
    32: Layout(1, 4, -(2**31), _words("<i4")),
    61: Layout(1, 2, -(2**15), _big_endian),
    80: Layout(1, 1, -(2**7), _offset_bytes),
    160: Layout(1, 2, -(2**15), _offset_words),
    212: Layout(2, 3, -(2**11), _format_212, (0, 2)),
    310: Layout(3, 4, -(2**9), _format_310, (0, 2, 4)),
    311: Layout(3, 4, -(2**9), _format_311, (0, 2, 3)),
}
# Decoded by the wfdb package, with the counts that stand for an absent sample.
COMPRESSED = {508: -(2**7), 516: -(2**15), 524: -(2**23)}
DIFFERENCES = 8


def _bytes_for(layout: Layout, samples: int) -> int:
    blocks, rest = divmod(samples, layout.samples)
    return blocks * layout.bytes + layout.tail[rest]


@dataclass(slots=True)
class SignalFile:
    """A signal file: frames of `widths[i]` samples of signal i, for each signal that it holds.

    Raises FormatError from every method when the file is absent, a pointer or too short.
    """

    path: str
    format: int
    offset: int
    widths: list[int]
    initial: list[int]
    total: int = field(init=False)
    layout: Layout = field(init=False)
    _held: Counts | None = None
    # Format 8 only: a frame and the sample values before it.
    _mark: tuple[int, NDArray[np.int64]] | None = None

    def __post_init__(self) -> None:
        self.total = sum(self.widths)
        self.layout = LAYOUTS[self.format]

    @property
    def what(self) -> str:
        """The file as messages name it."""
        return f"the signal file {os.path.basename(self.path)}"

    def frames_held(self) -> int:
        """Whole frames that the file has bytes for."""
        size = max(file_size(self.path, self.what) - self.offset, 0)
        samples = size // self.layout.bytes * self.layout.samples
        while _bytes_for(self.layout, samples + 1) <= size:
            samples += 1
        return samples // self.total

    def bytes_needed(self, frames: int) -> int:
        """Bytes that so many frames take."""
        return _bytes_for(self.layout, frames * self.total)

    def check_length(self, frames: int) -> int:
        """Bytes beyond the `frames` of the header."""
        size, needed = file_size(self.path, self.what), self.offset + self.bytes_needed(frames)
        if size < needed:
            raise truncated(self.what, needed, size)
        return size - needed

    def hold(self, frames: int) -> Counts:
        """All frames [frames, total], kept signal by signal in memory for the reads that follow."""
        self._held = np.asfortranarray(self.frames(0, frames))
        return self._held

    def frames(self, start: int, stop: int) -> Counts:
        """Frames `start` to `stop` as integers [stop - start, total], in file order."""
        if self._held is not None:
            return self._held[start:stop]
        return self._summed(start, stop) if self.format == DIFFERENCES else self._stored(start, stop)

    def _stored(self, start: int, stop: int) -> Counts:
        layout, first, last = self.layout, start * self.total, stop * self.total
        block, lead = divmod(first, layout.samples)
        begin = block * layout.bytes
        raw = read_bytes(self.path, self.offset + begin, _bytes_for(layout, last) - begin, self.what)
        if short := -len(raw) % layout.bytes:
            raw = np.concatenate((raw, np.zeros(short, np.uint8)))
        flat = layout.decode(raw)[lead : lead + last - first]
        return flat.reshape(stop - start, self.total)

    def _summed(self, start: int, stop: int) -> Counts:
        """Format 8 stores first differences: a window needs the sum of all before it."""
        at, level = self._mark or (0, np.asarray(self.initial, np.int64))
        if at > start:
            at, level = 0, np.asarray(self.initial, np.int64)
        edges = np.cumsum([0, *self.widths])[:-1]
        while at < start:
            upto = min(start, at + _STRIDE)
            steps = self._stored(at, upto).sum(axis=0, dtype=np.int64)
            at, level = upto, level + np.add.reduceat(steps, edges)
        steps = self._stored(start, stop).astype(np.int64)
        out = np.empty(steps.shape, np.int32)
        for edge, width, value in zip(edges, self.widths, level, strict=True):
            column = slice(edge, edge + width)
            out[:, column] = (steps[:, column].reshape(-1).cumsum() + value).reshape(-1, width)
        self._mark = (stop, level + np.add.reduceat(steps.sum(axis=0), edges))
        return out

    def signals(self, frames: Counts) -> list[Counts]:
        """Each signal's sample per frame [frames] out of frames [frames, total], int32.

        Several samples per frame become their mean, towards zero, as wfdb.rdsamp has it by default. A mean
        with an absent sample in it is absent. Absent samples are the lowest int32.
        """
        out: list[Counts] = []
        edge = 0
        for width in self.widths:
            out.append(self._per_frame(frames[:, edge : edge + width]))
            edge += width
        return out

    def _per_frame(self, values: Counts) -> Counts:
        width = values.shape[1]
        mean = values[:, 0].astype(np.int32)
        if width > 1:
            mean = np.trunc(values.sum(axis=1, dtype=np.int64) / width).astype(np.int32)
        if self.layout.absent is not None:
            mean[(values == self.layout.absent).any(axis=1)] = np.iinfo(np.int32).min
        return mean


def known_format(number: int) -> int:
    """The format itself; FormatError when WFDB has none of that number."""
    if number not in LAYOUTS and number not in COMPRESSED and number != 0:
        raise FormatError("bad-header", f"the header names signal format {number}, which WFDB does not have")
    return number

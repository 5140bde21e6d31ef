"""Signals at another sampling rate: a linear-phase filter and a rational ratio, as scipy's resample_poly.

The filter is a sinc cut off at the lower of the two Nyquist rates, under a Kaiser window (beta 5.0)
that reaches over ten samples of the lower rate on either side; beyond its ends the signal is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

# Two rates whose ratio needs larger terms are taken for their nearest neighbours: within 1e-8 of it.
RATIO_LIMIT: Final = 10_000
KAISER_BETA: Final = 5.0
_REACH: Final = 10
# Outputs that share one matrix. Every product has the same size whatever is asked for, and is small
# enough for BLAS to keep it on one thread: so a slice is the same to the bit.
_GROUP: Final = 32
_CHUNK: Final = 512
_PRODUCT: Final = 200_000
# Samples of one row, in or out, that are held at a time.
_SLAB: Final = 2**18


def resample(signal: NDArray[Any], fs_in: float, fs_out: float) -> NDArray[np.float32]:
    """The signal [rows, n] at `fs_out` Hz, [rows, ceil(n * fs_out / fs_in)].

    Equal to `scipy.signal.resample_poly(signal, up, down, axis=1)` to 1e-5 of the signal's scale. An
    output is NaN where a value that is not finite lies within the filter's reach, ten samples of the
    lower of the two rates, and is untouched elsewhere. Rows do not touch each other. Raises InputError
    for rates that have no ratio.
    """

    def read(start: int, stop: int) -> NDArray[Any]:
        return signal[:, start:stop]

    return Resampled(read, (signal.shape[0], signal.shape[1]), fs_in, fs_out).read()


class Resampled:
    """A resampled view of a recording, computed where and when it is read.

    `read` of the source gives its samples `start` to `stop` of every row, [rows, stop - start]. What
    this view reads is bit for bit the slice of what resampling the whole recording would give, and
    takes from the source only the samples under the filter, some minutes at a time.
    """

    dtype: Final = np.dtype(np.float32)

    def __init__(
        self, read: Callable[[int, int], NDArray[Any]], shape: tuple[int, int], fs_in: float, fs_out: float
    ) -> None:
        self._read = read
        self._samples_in = shape[1]
        self._filter = polyphase(*ratio(fs_in, fs_out))
        self.shape = (shape[0], -(-shape[1] * self._filter.up // self._filter.down))

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Samples `start` to `stop` of every row at the new rate, cut at the recording's end."""
        end = self.shape[1] if stop is None else min(stop, self.shape[1])
        start = min(max(start, 0), end)
        if self._filter.up == self._filter.down:
            return self._read(start, end).astype(np.float32)
        out = np.empty((self.shape[0], end - start), np.float32)
        slab = self._filter.slab
        for at in range(start - start % slab, end, slab):
            first, last = max(at, start), min(at + slab, end)
            if first < last:
                out[:, first - start : last - start] = self._slab(first, last)
        return out

    def _slab(self, first: int, last: int) -> NDArray[np.float32]:
        begin, length = self._filter.needs(first, last)
        source = np.zeros((self.shape[0], length), np.float32)
        low, high = max(begin, 0), min(begin + length, self._samples_in)
        if low < high:
            source[:, low - begin : high - begin] = self._read(low, high)
        finite = np.isfinite(source)
        if finite.all():
            return self._filter.apply(source, first, last)
        out = self._filter.apply(np.where(finite, source, np.float32(0)), first, last)
        out[self._filter.touched(~finite, begin, first, last)] = np.nan
        return out


def ratio(fs_in: float, fs_out: float) -> tuple[int, int]:
    """`up` and `down`, without common divisor, so that fs_out = fs_in * up / down. Raises InputError."""
    if not (math.isfinite(fs_in) and math.isfinite(fs_out) and fs_in > 0 and fs_out > 0):
        raise InputError("rate", f"cannot resample from {fs_in:g} Hz to {fs_out:g} Hz")
    found = Fraction(fs_out / fs_in).limit_denominator(RATIO_LIMIT)
    if not 1 <= found.numerator <= RATIO_LIMIT:
        raise InputError("rate", f"{fs_in:g} Hz and {fs_out:g} Hz lie too far apart to resample")
    return found.numerator, found.denominator


@lru_cache(maxsize=32)
def polyphase(up: int, down: int) -> Polyphase:
    """The filter for this ratio, designed once."""
    return Polyphase(up, down)


@dataclass(frozen=True)
class Polyphase:
    """The filter of one ratio as matrices: a stretch of input times a matrix is a group of outputs.

    Outputs repeat their pattern of coefficients every `up`; a period here is a multiple of that,
    `period` outputs for `advance` inputs, cut into groups with a matrix each.
    """

    up: int
    down: int

    @property
    def reach(self) -> int:
        """Half the filter's length, on the grid of `up` times the input's rate."""
        return _REACH * max(self.up, self.down)

    @cached_property
    def period(self) -> int:
        """Outputs after which matrices repeat."""
        return self.up * max(1, _GROUP // self.up)

    @cached_property
    def advance(self) -> int:
        """Inputs that one period moves on."""
        return self.period // self.up * self.down

    @cached_property
    def width(self) -> int:
        """Inputs under one group of outputs."""
        return ((_GROUP - 1) * self.down + 2 * self.reach) // self.up + 2

    @cached_property
    def chunk(self) -> int:
        """Outputs of one row that come from one product for each group."""
        return self.period * max(1, min(_CHUNK // self.period, _PRODUCT // (self.width * _GROUP)))

    @cached_property
    def slab(self) -> int:
        """Outputs of one row that are computed before the next stretch is read: whole chunks."""
        inputs = self.chunk // self.period * self.advance
        return self.chunk * max(1, _SLAB // max(self.chunk, inputs))

    @cached_property
    def starts(self) -> list[int]:
        """For each group, the first input that it needs, counted from the period's first."""
        return [-((self.reach - group * self.down) // self.up) for group in range(0, self.period, _GROUP)]

    @cached_property
    def matrices(self) -> NDArray[np.float32]:
        """[groups, inputs, _GROUP]; columns beyond the period are zero."""
        taps = 2 * self.reach + 1
        offsets = np.arange(taps) - self.reach
        lowpass = np.sinc(offsets / max(self.up, self.down)) * np.kaiser(taps, KAISER_BETA)
        lowpass *= self.up / lowpass.sum()
        matrices = np.zeros((len(self.starts), self.width, _GROUP), np.float32)
        for group, start in enumerate(self.starts):
            outputs = np.arange(group * _GROUP, min((group + 1) * _GROUP, self.period))
            tap = self.reach + outputs * self.down - (start + np.arange(self.width))[:, None] * self.up
            inside = (tap >= 0) & (tap < taps)
            matrices[group, :, : len(outputs)][inside] = lowpass[tap[inside]]
        return matrices

    def _groups(self, first: int, last: int) -> tuple[int, int, int, int]:
        """First chunk and the one after the last, first group and the one after the last."""
        chunks = first // self.chunk, -(-last // self.chunk)
        if chunks[1] - chunks[0] > 1 or self.chunk > self.period:
            return *chunks, 0, len(self.starts)
        into = chunks[0] * self.chunk
        return *chunks, (first - into) // _GROUP, -(-(last - into) // _GROUP)

    def needs(self, first: int, last: int) -> tuple[int, int]:
        """Where the input of outputs `first` to `last` begins, below 0 near the start, and its length."""
        chunk, end, group, groups_end = self._groups(first, last)
        periods = (end - chunk) * self.chunk // self.period
        reach = self.starts[groups_end - 1] - self.starts[group] + self.width
        length = (periods - 1) * self.advance + reach
        return chunk * self.chunk // self.period * self.advance + self.starts[group], length

    def apply(self, source: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
        """Outputs `first` to `last` from the stretch [rows, length] that `needs` named, all finite."""
        chunk, end, group, groups_end = self._groups(first, last)
        rows = source.shape[0]
        together = self.chunk // self.period
        out = np.empty((rows, end - chunk, together, groups_end - group, _GROUP), np.float32)
        step, sample = source.strides
        for place, number in enumerate(range(group, groups_end)):
            stretches = np.lib.stride_tricks.as_strided(
                source[:, self.starts[number] - self.starts[group] :],
                (rows, end - chunk, together, self.width),
                (step, together * self.advance * sample, self.advance * sample, sample),
                writeable=False,
            )
            out[:, :, :, place] = np.ascontiguousarray(stretches) @ self.matrices[number]
        # Only whole periods have the columns past the period's end among them.
        whole = out.reshape(rows, end - chunk, together, -1)[..., : self.period]
        begin = chunk * self.chunk + group * _GROUP
        return whole.reshape(rows, -1)[:, first - begin : last - begin]

    def touched(self, bad: NDArray[np.bool_], begin: int, first: int, last: int) -> NDArray[np.bool_]:
        """Which of the outputs `first` to `last` have a bad input, bad [rows, length], under the filter."""
        centres = np.arange(first, last, dtype=np.int64) * self.down
        low = -((self.reach - centres) // self.up) - begin
        high = (centres + self.reach) // self.up - begin + 1
        counted = np.zeros((bad.shape[0], bad.shape[1] + 1), np.int64)
        np.cumsum(bad, axis=1, out=counted[:, 1:])
        return counted[:, high] > counted[:, low]

"""Where the samples of a WFDB segment come from: counts of one file, of several, or of compressed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_signal import COMPRESSED, LAYOUTS, Counts, SignalFile

ABSENT = int(np.iinfo(np.int32).min)


class Source(Protocol):
    """Where counts come from."""

    # The count that stands for an absent sample, None where there is none.
    absent: int | None

    def counts(self, start: int, stop: int) -> Counts:
        """Integers [leads, stop - start]."""
        ...


@dataclass(slots=True)
class PlainSource:
    """One signal file with one sample per frame of every signal and no skew: the common case."""

    file: SignalFile
    absent: int | None

    def counts(self, start: int, stop: int) -> Counts:
        """Integers [leads, stop - start] as the format stores them."""
        return self.file.frames(start, stop).T


@dataclass(slots=True)
class MixedSource:
    """Several signal files, formats, frame widths or skews."""

    # Each file with the rows of its signals; a row in no file is a null signal.
    files: list[tuple[SignalFile, list[int]]]
    skews: list[int]
    samples: int
    absent: int | None = ABSENT

    def counts(self, start: int, stop: int) -> Counts:
        """int32 [leads, stop - start]."""
        out = np.full((len(self.skews), stop - start), ABSENT, np.int32)
        for file, rows in self.files:
            reach = min(stop + max(self.skews[row] for row in rows), self.samples)
            columns = file.signals(file.frames(start, reach))
            for row, column in zip(rows, columns, strict=True):
                shifted = column[self.skews[row] :][: stop - start]
                out[row, : len(shifted)] = shifted
        return out


@dataclass(slots=True)
class FlacSource:
    """A record with compressed signals, decoded by the wfdb package (which wants the soundfile package)."""

    stem: str
    formats: list[int]
    absent: int | None = ABSENT

    def counts(self, start: int, stop: int) -> Counts:
        """int32 [leads, stop - start]."""
        import wfdb

        if start == stop:
            return np.empty((len(self.formats), 0), np.int32)
        try:
            record = wfdb.rdrecord(self.stem, sampfrom=start, sampto=stop, physical=False)
        except ImportError as error:
            raise FormatError("unknown-format", "FLAC signal files need the soundfile package") from error
        except (ValueError, OSError, RuntimeError, LookupError, TypeError) as error:
            kind = "truncated" if isinstance(error, ValueError) else "bad-signal"
            raise FormatError(kind, "the wfdb package cannot decode the record's FLAC signal file") from error
        found: NDArray[np.int64] = record.d_signal.T.astype(np.int64)
        absent = np.array([_absent_count(number) for number in self.formats])
        found[found == absent[:, None]] = ABSENT
        return found.astype(np.int32)


def _absent_count(number: int) -> int:
    stated = COMPRESSED[number] if number in COMPRESSED else LAYOUTS[number].absent
    return ABSENT if stated is None else stated


@dataclass(slots=True)
class Scaled:
    """The readers of an Ecg: counts of a source, and their physical values."""

    source: Source
    samples: int
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    exact: bool

    def digital(self, start: int, stop: int) -> NDArray[np.int32]:
        """Counts int32 [leads, stop - start], the lowest int32 for absent samples."""
        raw = self._checked(start, stop)
        out = np.array(raw, np.int32, order="C")
        if self.source.absent is not None and self.source.absent != ABSENT:
            out[raw == self.source.absent] = ABSENT
        return out

    def physical(self, start: int, stop: int) -> NDArray[np.float32]:
        """Values float32 [leads, stop - start], NaN for absent samples."""
        raw = self._checked(start, stop)
        if self.exact and raw.dtype.itemsize <= 2:
            # Counts, baseline and gain are exact in float32, so the quotient is the nearest float32.
            out = np.array(raw, np.float32, order="C")
            if self.baseline.any():
                out -= self.baseline.astype(np.float32)[:, None]
            out /= self.gain.astype(np.float32)[:, None]
        else:
            wide = np.array(raw, np.float64, order="C")
            wide -= self.baseline[:, None]
            wide /= self.gain[:, None]
            out = wide.astype(np.float32)
        absent = self.source.absent
        if absent is not None and raw.size and int(raw.min()) <= absent:
            out[raw == absent] = np.nan
        return out

    def _checked(self, start: int, stop: int) -> Counts:
        if not 0 <= start <= stop <= self.samples:
            raise FormatError("bad-value", f"samples {start} to {stop} of a recording of {self.samples} samples")
        return self.source.counts(start, stop)

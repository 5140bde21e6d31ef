"""ECG records: from a file's recording to the stream, and from the stream back to physical samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.arrays import LazyArray, is_array
from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

# What describes a signal and is meaningless without it.
SIGNAL_KEYS = ("signal", "adc_range", "gain", "baseline")


@dataclass(slots=True)
class EcgSignal:
    """The samples of an open recording, read on demand."""

    ecg: Ecg
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples `start` to `stop`, float32 [leads, stop - start]; FormatError when they are not there."""
        return self.ecg.read(start, self.shape[1] if stop is None else stop)


@dataclass(slots=True)
class CountSignal:
    """The converter counts of an open recording, read on demand."""

    read_digital: Callable[[int, int], NDArray[np.int32]]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples `start` to `stop`, int32 [leads, stop - start], the lowest value where a sample is absent."""
        return self.read_digital(start, self.shape[1] if stop is None else stop)


@dataclass(slots=True)
class ScaledSignal:
    """Converter counts read as physical values."""

    digital: Any
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Samples `start` to `stop`, float32 [leads, stop - start]; the lowest count stands for NaN."""
        counts = _cut(self.digital, start, stop)
        values = (counts - self.baseline[:, None]) / self.gain[:, None]
        if counts.dtype.kind == "i":
            values[counts == np.iinfo(counts.dtype).min] = np.nan
        return values.astype(np.float32)


def _cut(value: Any, start: int, stop: int | None) -> NDArray[Any]:
    cut = value[:, start:stop] if isinstance(value, np.ndarray) else value.read(start, stop)
    return np.asarray(cut)


@dataclass(slots=True)
class ArraySignal:
    """An array already in memory, with the interface of one read on demand."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """[leads, samples]."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.array.dtype

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Samples `start` to `stop`, [leads, stop - start]."""
        return self.array[:, start:stop]


def ecg_record(ecg: Ecg, path: str, ident: str, source: dict[str, Any] | None) -> Record:
    """The record of a recording in the file `path`; its signal stays there until it is read."""
    units = ecg.units[0] if len(set(ecg.units)) == 1 else ecg.units
    record: Record = {"id": ident}
    if source is not None:
        record["source"] = source
    record |= {"fs": _number(ecg.fs), "leads": ecg.leads, "units": units}
    if ecg.said:
        record["notes"] = ecg.said
    if ecg.adc_range is not None:
        ranges = [[round(low, 6), round(high, 6)] for low, high in ecg.adc_range]
        record["adc_range"] = ranges[0] if all(one == ranges[0] for one in ranges) else ranges
    record["signal"] = EcgSignal(ecg, path, (len(ecg.leads), ecg.samples), np.dtype("<f4"))
    return record


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)


def lead_ranges(record: Record) -> list[tuple[float, float]] | None:
    """What the converter of each lead can give, in the record's units; None where nobody said."""
    ranges = record.get("adc_range")
    if not isinstance(ranges, list) or not ranges:
        return None
    each = ranges if isinstance(ranges[0], list) else [ranges] * len(record["leads"])
    if len(each) != len(record["leads"]) or any(len(one) != 2 for one in each):
        raise FormatError("bad-array", "adc_range is not a pair, nor a pair for each lead")
    return [(float(low), float(high)) for low, high in each]


def lead_units(record: Record) -> list[str]:
    """The unit of each lead. FormatError when there is a list of another length."""
    units, count = record.get("units", "unknown"), len(record["leads"])
    if isinstance(units, list) and len(units) != count:
        raise FormatError("bad-array", f"units has {len(units)} entries for {count} leads")
    return [str(unit) for unit in units] if isinstance(units, list) else [str(units)] * count


def physical_signal(record: Record) -> tuple[LazyArray, float, list[str]]:
    """Signal [leads, samples] in physical units, sampling rate in Hz and lead names of an ECG record.

    Raises:
        FormatError: the record is no ECG, or its parts disagree.
    """
    missing = [key for key in ("signal", "fs", "leads") if record.get(key) is None]
    if missing and is_array(record.get("image")):
        raise FormatError("not-an-ecg", "the record holds an image, no ECG")
    if missing:
        raise FormatError("not-an-ecg", f"the record has no {', '.join(missing)}")
    signal, fs, leads = record["signal"], record["fs"], record["leads"]
    if not is_array(signal) or len(signal.shape) != 2:
        raise FormatError("bad-array", "signal is not an array [leads, samples]")
    if not isinstance(leads, list) or len(leads) != signal.shape[0]:
        raise FormatError("bad-array", f"signal has {signal.shape[0]} rows, leads does not name as many")
    if isinstance(fs, bool) or not isinstance(fs, int | float) or not 0 < fs < 1e7:
        raise FormatError("bad-rate", "fs is not a sampling rate in Hz")
    if signal.shape[1] == 0 or signal.shape[0] == 0:
        raise FormatError("empty", "the signal holds no sample")
    lazy: LazyArray = ArraySignal(signal) if isinstance(signal, np.ndarray) else signal
    return _scaled(record, lazy), float(fs), [str(name) for name in leads]


def _scaled(record: Record, signal: LazyArray) -> LazyArray:
    gain, baseline = record.get("gain"), record.get("baseline")
    if gain is None and baseline is None:
        return signal
    rows = signal.shape[0]
    if not (isinstance(gain, list) and isinstance(baseline, list) and len(gain) == len(baseline) == rows):
        raise FormatError("bad-array", "gain and baseline do not have one number a lead")
    gains, baselines = np.asarray(gain, np.float64), np.asarray(baseline, np.float64)
    if not np.all(np.isfinite(gains) & (gains != 0)):
        raise FormatError("bad-array", "gain is zero or not finite")
    return ScaledSignal(signal, gains, baselines, signal.shape, np.dtype("<f4"))

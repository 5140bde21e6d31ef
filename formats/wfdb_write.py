"""WFDB records written: one header, one signal file of format 16, or 32 where 16 bits do not do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.arrays import LazyArray
from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_header import MAX_GAIN

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
# Below full scale, so that the highest peak does not look like one that the converter cut off.
_PEAK = {16: 32000.0, 32: 2.0e9}
# Counts of the resolution that most databases have (1 uV): kept where every value is a multiple of it.
_USUAL_GAIN = 1000.0
_FINEST_GAIN = 1e9
# Samples of all leads together that are in memory at once.
_BLOCK = 1 << 21

Mask = NDArray[np.bool_]
Blocks = Callable[[], Iterator[NDArray[Any]]]
Counts = Callable[[NDArray[Any]], tuple[NDArray[Any], Mask]]


def write_wfdb(
    folder: Path,
    name: str,
    signal: NDArray[Any] | LazyArray | None,
    fs: float,
    leads: Sequence[str],
    units: Sequence[str],
    digital: NDArray[Any] | LazyArray | None = None,
    gain: Sequence[float] | None = None,
    baseline: Sequence[int] | None = None,
) -> None:
    """Write NAME.dat and NAME.hea, the header last, each under a temporary name until it is whole.

    Args:
        folder: where the two files go; it exists.
        name: letters, digits, `_` and `-` only.
        signal: physical values [leads, n] in `units`, NaN for absent samples; one that is read on demand is
            never in memory whole. A gain that is not given is
            chosen for each lead: 1000 counts per unit where all values are multiples of that, else so that
            the largest value comes close to full scale; the error is at most half a count.
        fs: sampling rate in Hz.
        leads: name of each row.
        units: unit of each row.
        digital: integer counts [leads, n] that are kept as they are in place of `signal`; the lowest value
            of a signed type is an absent sample. They need `gain`.
        gain: counts per unit.
        baseline: the count of physical zero; zero when absent.

    Raises:
        FormatError: the name, the shape or a value cannot be written.
        OSError: the disk is full or the folder not writable.
    """
    given = signal if digital is None else digital
    if given is None or len(given.shape) != 2 or not given.shape[0] == len(leads) == len(units):
        raise FormatError("bad-array", "a WFDB record needs a signal [leads, n] with a name and unit for each row")
    rows, samples = given.shape
    if rows == 0 or samples == 0:
        raise FormatError("empty", "a record without samples cannot be written as WFDB")
    if not _NAME.fullmatch(name):
        raise FormatError("bad-name", "a WFDB record's name has letters, digits, `_` and `-` only")
    if not 0 < fs < 1e7:
        raise FormatError("bad-rate", "the sampling rate is not one in Hz")
    zeros = _row_numbers(baseline, rows, np.int64) if baseline is not None else np.zeros(rows, np.int64)
    gains = _row_numbers(gain, rows, np.float64) if gain is not None else None
    blocks = _blocks(given)
    if digital is not None:
        if gains is None:
            raise FormatError("bad-array", "counts cannot be written without their gain")
        counts: Counts = _exact
    else:
        gains = _gains(blocks, units, zeros) if gains is None else gains
        counts = partial(_rounded, gains=gains, zeros=zeros)
    if not ((np.abs(gains) >= 1 / MAX_GAIN) & (np.abs(gains) <= MAX_GAIN)).all():
        raise FormatError("bad-value", "a value is too large, or a gain out of range, for a WFDB record")
    bits = _bits(counts(block) for block in blocks())
    first, sums = np.zeros(rows, np.int64), np.zeros(rows, np.int64)

    def stored() -> Iterator[bytes]:
        for number, block in enumerate(blocks()):
            whole, absent = counts(block)
            kept = np.where(absent, -(1 << (bits - 1)), whole).astype(f"<i{bits // 8}")
            if number == 0:
                first[:] = kept[:, 0]
            sums[:] += kept.sum(axis=1, dtype=np.int64)
            yield np.ascontiguousarray(kept.T).tobytes()

    # The order matters: a header is there only when its samples are.
    _replace(folder / f"{name}.dat", stored())
    _replace(folder / f"{name}.hea", [_header(name, samples, bits, fs, leads, units, gains, zeros, first, sums)])


def _blocks(given: Any) -> Blocks:
    """A recording's samples piece by piece, as often as they are asked for; a short one is read once."""
    rows, samples = given.shape
    size = max(1, _BLOCK // rows)

    def read(start: int, stop: int) -> NDArray[Any]:
        return given[:, start:stop] if isinstance(given, np.ndarray) else np.asarray(given.read(start, stop))

    if samples <= size:
        whole = read(0, samples)
        return lambda: iter([whole])
    return lambda: (read(start, min(start + size, samples)) for start in range(0, samples, size))


def _row_numbers(given: Sequence[float], rows: int, dtype: Any) -> NDArray[Any]:
    numbers = np.asarray(given, dtype)
    if numbers.shape != (rows,) or not np.isfinite(numbers).all() or (dtype is np.float64 and not numbers.all()):
        raise FormatError("bad-array", "gain or baseline is not one usable number for each lead")
    return numbers


def _exact(digital: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if digital.dtype.kind not in "iu" or digital.dtype.itemsize > 4:
        raise FormatError("bad-array", "counts are not integers of at most 32 bits")
    lowest = np.iinfo(digital.dtype).min if digital.dtype.kind == "i" else -1
    counts = digital.astype(np.int64)
    return counts, counts == lowest


def _rounded(block: NDArray[Any], gains: NDArray[np.float64], zeros: NDArray[np.int64]) -> tuple[NDArray[Any], Mask]:
    values = np.asarray(block, np.float64)
    absent = np.isnan(values)
    return np.rint(np.where(absent, 0, values) * gains[:, None]) + zeros[:, None], absent


def _gains(blocks: Blocks, units: Sequence[str], zeros: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts per unit for each lead; a gain of 16 bits that is coarser than 1 uV gives way to one of 32."""
    peaks, off = np.zeros(len(zeros)), np.zeros(len(zeros))
    for block in blocks():
        values = np.asarray(block, np.float64)
        there = ~np.isnan(values)
        peaks = np.maximum(peaks, np.max(np.abs(values), axis=1, initial=0, where=there))
        usual = values * _USUAL_GAIN
        with np.errstate(invalid="ignore"):
            off = np.maximum(off, np.max(np.abs(usual - np.rint(usual)), axis=1, initial=0, where=there))
    if not np.isfinite(peaks).all():
        raise FormatError("bad-value", "an infinite value cannot be written as WFDB")
    room = np.maximum(_PEAK[16] - np.abs(zeros), 1.0)
    fits = peaks * _USUAL_GAIN <= room
    coarse = [unit == "mV" and not fit for unit, fit in zip(units, fits, strict=True)]
    if any(coarse):
        room = np.maximum(_PEAK[32] - np.abs(zeros), 1.0)
    return np.array([_gain(*one) for one in zip(peaks, off, room, strict=True)])


def _gain(peak: float, off: float, room: float) -> float:
    """Of a lead with this largest value, whose values are `off` multiples of 1 uV by so many counts at most."""
    # A float32 of some millivolts is within 1e-3 counts of its multiple.
    if peak * _USUAL_GAIN <= room and off < 1e-2:
        return _USUAL_GAIN
    if peak < room / _FINEST_GAIN:
        return _FINEST_GAIN
    # Two digits, rounded down: what the header says is exactly what was used.
    digits, power = f"{room / peak:.12e}".split("e")
    return float(f"{int(float(digits) * 10) / 10}e{power}")


def _bits(pieces: Iterable[tuple[NDArray[Any], Mask]]) -> int:
    largest = max(float(np.max(np.abs(counts), initial=0, where=~absent)) for counts, absent in pieces)
    if largest > 2**31 - 1:
        raise FormatError("bad-value", "values at this gain do not fit the 32 bits of a WFDB sample")
    return 16 if largest <= 2**15 - 1 else 32


def _header(
    name: str,
    samples: int,
    bits: int,
    fs: float,
    leads: Sequence[str],
    units: Sequence[str],
    gains: NDArray[np.float64],
    zeros: NDArray[np.int64],
    first: NDArray[np.int64],
    sums: NDArray[np.int64],
) -> bytes:
    rate = np.format_float_positional(fs, trim="-")
    lines = [f"{name} {len(leads)} {rate} {samples}"]
    checks = sums.astype(np.int16)
    for row, (lead, unit) in enumerate(zip(leads, units, strict=True)):
        lines.append(
            f"{name}.dat {bits} {float(gains[row])!r}({zeros[row]})/{_unit(unit)} {bits} 0 "
            f"{first[row]} {checks[row]} 0 {_description(lead, row)}"
        )
    return ("\n".join(lines) + "\n").encode()


def _unit(unit: str) -> str:
    plain = unit.replace("\u00b5", "u").replace("\u03bc", "u")
    return "_".join(plain.encode("ascii", "replace").decode().split()) or "unknown"


def _description(lead: str, row: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in lead).split()) or f"signal {row}"


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            stream.writelines(pieces)
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise

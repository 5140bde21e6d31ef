"""WFDB records written: one header, one signal file of format 16, or 32 where 16 bits do not do."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_header import MAX_GAIN

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
# Below full scale, so that the highest peak does not look like one that the converter cut off.
_PEAK = {16: 32000.0, 32: 2.0e9}
# Counts of the resolution that most databases have (1 uV): kept where every value is a multiple of it.
_USUAL_GAIN = 1000.0
_FINEST_GAIN = 1e9


def write_wfdb(
    folder: Path,
    name: str,
    signal: NDArray[Any] | None,
    fs: float,
    leads: Sequence[str],
    units: Sequence[str],
    digital: NDArray[Any] | None = None,
    gain: Sequence[float] | None = None,
    baseline: Sequence[int] | None = None,
) -> None:
    """Write NAME.dat and NAME.hea, the header last, each under a temporary name until it is whole.

    Args:
        folder: where the two files go; it exists.
        name: letters, digits, `_` and `-` only.
        signal: physical values [leads, n] in `units`, NaN for absent samples. A gain that is not given is
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
    if given is None or given.ndim != 2 or not given.shape[0] == len(leads) == len(units):
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
    if digital is not None:
        counts, absent = _exact(digital)
        if gains is None:
            raise FormatError("bad-array", "counts cannot be written without their gain")
    else:
        values = np.asarray(given, np.float64)
        absent = np.isnan(values)
        gains = _gains(values, units, zeros) if gains is None else gains
        counts = np.rint(np.where(absent, 0, values) * gains[:, None]) + zeros[:, None]
    if not ((np.abs(gains) >= 1 / MAX_GAIN) & (np.abs(gains) <= MAX_GAIN)).all():
        raise FormatError("bad-value", "a value is too large, or a gain out of range, for a WFDB record")
    bits = _bits(counts, absent)
    stored = np.where(absent, -(1 << (bits - 1)), counts).astype(f"<i{bits // 8}")
    header = _header(name, stored, fs, leads, units, gains, zeros)
    # The order matters: a header is there only when its samples are.
    _replace(folder / f"{name}.dat", np.ascontiguousarray(stored.T).tobytes())
    _replace(folder / f"{name}.hea", header)


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


def _gains(values: NDArray[np.float64], units: Sequence[str], zeros: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts per unit for each lead; a gain of 16 bits that is coarser than 1 uV gives way to one of 32."""
    peaks = np.max(np.abs(values), axis=1, initial=0, where=~np.isnan(values))
    if not np.isfinite(peaks).all():
        raise FormatError("bad-value", "an infinite value cannot be written as WFDB")
    room = np.maximum(_PEAK[16] - np.abs(zeros), 1.0)
    fits = peaks * _USUAL_GAIN <= room
    coarse = [unit == "mV" and not fit for unit, fit in zip(units, fits, strict=True)]
    if any(coarse):
        room = np.maximum(_PEAK[32] - np.abs(zeros), 1.0)
    return np.array([_gain(row, peak, full) for row, peak, full in zip(values, peaks, room, strict=True)])


def _gain(row: NDArray[np.float64], peak: float, room: float) -> float:
    usual = row * _USUAL_GAIN
    if peak * _USUAL_GAIN <= room:
        # A float32 of some millivolts is within 1e-3 counts of its multiple.
        off = np.abs(usual - np.rint(usual))
        if np.max(off, initial=0, where=~np.isnan(off)) < 1e-2:
            return _USUAL_GAIN
    if peak < room / _FINEST_GAIN:
        return _FINEST_GAIN
    # Two digits, rounded down: what the header says is exactly what was used.
    digits, power = f"{room / peak:.12e}".split("e")
    return float(f"{int(float(digits) * 10) / 10}e{power}")


def _bits(counts: NDArray[Any], absent: NDArray[np.bool_]) -> int:
    largest = float(np.max(np.abs(counts), initial=0, where=~absent))
    if largest > 2**31 - 1:
        raise FormatError("bad-value", "values at this gain do not fit the 32 bits of a WFDB sample")
    return 16 if largest <= 2**15 - 1 else 32


def _header(
    name: str,
    stored: NDArray[Any],
    fs: float,
    leads: Sequence[str],
    units: Sequence[str],
    gains: NDArray[np.float64],
    zeros: NDArray[np.int64],
) -> bytes:
    bits = stored.dtype.itemsize * 8
    rate = np.format_float_positional(fs, trim="-")
    lines = [f"{name} {len(leads)} {rate} {stored.shape[1]}"]
    sums = stored.sum(axis=1, dtype=np.int64).astype(np.int16)
    for row, (lead, unit) in enumerate(zip(leads, units, strict=True)):
        lines.append(
            f"{name}.dat {bits} {float(gains[row])!r}({zeros[row]})/{_unit(unit)} {bits} 0 "
            f"{stored[row, 0]} {sums[row]} 0 {_description(lead, row)}"
        )
    return ("\n".join(lines) + "\n").encode()


def _unit(unit: str) -> str:
    plain = unit.replace("\u00b5", "u").replace("\u03bc", "u")
    return "_".join(plain.encode("ascii", "replace").decode().split()) or "unknown"


def _description(lead: str, row: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in lead).split()) or f"signal {row}"


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise

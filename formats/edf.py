"""EDF, EDF+ and BDF: the header through the edfio package, the samples window by window.

edfio itself decodes a BDF file whole and knows no gaps; here only the data records of a window are read, and the
gaps of an EDF+D file are NaN.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import STANDARD_12, canonical_lead
from medpipe.formats.units import millivolts

_EDF_MAGIC, _BDF_MAGIC = b"0       ", b"\xffBIOSEMI"
_HEADER = 256
_MOST_SIGNALS = 9999
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_DISCONTINUOUS = (b"EDF+D", b"BDF+D")
_BLOCK = 16 << 20
_ABSENT = np.iinfo(np.int32).min
# A recording is mostly there: more gap than this is a damaged clock.
_LONGEST_GAPS = 100
# Beyond it a physical range is damage, and no float32.
_LARGEST = 1e30


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the samples are: data records of equal size, each with a stretch of every signal."""

    path: str
    start: int
    record_bytes: int
    records: int
    width: int  # bytes of a sample
    per_record: int  # samples of each kept signal
    offsets: list[int]  # in a record, of each kept signal
    begins: NDArray[np.int64] | None  # first sample of each record, where there are gaps


def open_edf(path: str) -> Ecg:
    """The signals at the highest rate among those that are an ECG by name or voltages; `said` names the others.

    Raises:
        FormatError: damaged, truncated, or without signals.
    """
    head, size = _head(path)
    bdf = head.startswith(_BDF_MAGIC)
    counts = _check_size(head, size, 3 if bdf else 2)
    edf = _parsed(head, bdf)
    labels = _labels(head, len(counts))
    ordinary = [place for place, label in enumerate(labels) if label != f"{'BDF' if bdf else 'EDF'} Annotations"]
    if len(ordinary) != len(edf.signals):
        raise FormatError("bad-header", "the EDF header is damaged")
    signals = {
        place: one
        for place, one in zip(ordinary, edf.signals, strict=True)
        if labels[place] not in _ANNOTATIONS and counts[place] > 0
    }
    if not signals:
        raise FormatError("empty", "the EDF file holds no signal")
    per_record = max(counts[place] for place in _wanted(signals))
    duration = float(edf.data_record_duration)
    fs = per_record / duration if duration > 0 else 0.0
    if not 0 < fs < 1e7:
        raise FormatError("bad-rate", "the EDF header gives its data records no duration")
    kept = [place for place in signals if counts[place] == per_record]
    layout = _layout(path, head, counts, kept, bdf)
    if head[192:197] in _DISCONTINUOUS:
        layout = _with_gaps(layout, labels, counts, duration)
    said: dict[str, Any] = {}
    if len(kept) < len(signals):
        said["signals_at_other_rates"] = [canonical_lead(labels[place]) for place in signals if place not in kept]
    if size > layout.start + layout.records * layout.record_bytes:
        said["length"] = "bytes lie beyond the header's number of data records"
    return _ecg(edf, [signals[place] for place in kept], layout, fs, said)


def _head(path: str) -> tuple[bytes, int]:
    """The whole header, and the size of the file."""
    with _opened(path) as file:
        head = file.read(_HEADER)
        if len(head) < _HEADER:
            raise FormatError("truncated", "the EDF file ends inside its header")
        if not head.startswith((_EDF_MAGIC, _BDF_MAGIC)):
            raise FormatError("bad-header", "the file does not begin as EDF or BDF")
        signals = _count(head[252:256])
        if not 1 <= signals <= _MOST_SIGNALS or _count(head[184:192]) != _HEADER * (signals + 1):
            raise FormatError("bad-header", "the EDF header's length and number of signals disagree")
        head += file.read(_HEADER * signals)
        if len(head) < _HEADER * (signals + 1):
            raise FormatError("truncated", "the EDF file ends inside its header")
        return head, file.seek(0, 2)


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise FormatError("unreadable", f"the file cannot be read: {error.strerror}") from error


def _count(field: bytes) -> int:
    try:
        return int(field)
    except ValueError as error:
        raise FormatError("bad-header", "the EDF header holds a field that is not a number") from error


def _check_size(head: bytes, size: int, width: int) -> list[int]:
    """Samples of each signal in a data record, after the header's account was held against the file."""
    records, signals = _count(head[236:244]), len(head) // _HEADER - 1
    if records < 0:
        raise FormatError("bad-header", "the EDF file was never finished: its number of data records is -1")
    at = _HEADER + 216 * signals
    counts = [_count(head[at + 8 * one : at + 8 * one + 8]) for one in range(signals)]
    if records == 0 or size == len(head) or sum(counts) == 0:
        raise FormatError("empty", "the EDF file holds no data record")
    if min(counts) < 0:
        raise FormatError("bad-header", "the EDF header gives a signal less than no samples")
    needed = len(head) + records * sum(counts) * width
    if size < needed:
        raise FormatError("truncated", f"the EDF file holds {size} bytes, its header promises {needed}")
    return counts


def _parsed(head: bytes, bdf: bool) -> Any:
    import edfio

    try:
        with warnings.catch_warnings():
            # That the header comes without data; and warnings quote it.
            warnings.simplefilter("ignore")
            edf: Any = (edfio.read_bdf if bdf else edfio.read_edf)(head, header_encoding="latin-1")
        for signal in edf.signals:
            # Header fields are parsed when they are first looked at; damage must show here.
            _ = signal.physical_range, signal.digital_range, signal.physical_dimension
        _ = edf.data_record_duration
    except Exception as error:  # a damaged header may raise anything at all
        raise FormatError("bad-header", "the EDF header is damaged") from error
    return edf


def _labels(head: bytes, signals: int) -> list[str]:
    return [head[_HEADER + 16 * one :][:16].decode("latin-1").rstrip() for one in range(signals)]


def _wanted(signals: dict[int, Any]) -> list[int]:
    """Places of the signals that decide on the rate: named as an ECG, else voltages, else all."""
    named = [place for place, one in signals.items() if _is_ecg(one.label)]
    voltages = [place for place, one in signals.items() if millivolts(one.physical_dimension)[0] is not None]
    return named or voltages or list(signals)


def _is_ecg(label: str) -> bool:
    return canonical_lead(label) in STANDARD_12 or label.strip().lower().startswith(("ecg", "ekg"))


def _layout(path: str, head: bytes, counts: list[int], kept: list[int], bdf: bool) -> _Layout:
    width = 3 if bdf else 2
    ends = [int(end) * width for end in np.cumsum(counts)]
    offsets = [ends[place] - counts[place] * width for place in kept]
    return _Layout(path, len(head), ends[-1], _count(head[236:244]), width, counts[kept[0]], offsets, None)


def _with_gaps(layout: _Layout, labels: list[str], counts: list[int], duration: float) -> _Layout:
    """The layout with each data record at the time that its first annotation gives (EDF+ section 2.2.4)."""
    clock = next((place for place, label in enumerate(labels) if label in _ANNOTATIONS and counts[place] > 0), None)
    if clock is None:
        raise FormatError("bad-header", "the EDF+D file has no annotations, which give its data records' times")
    offset = sum(counts[:clock]) * layout.width
    onsets = np.empty(layout.records)
    with _opened(layout.path) as file:
        for record in range(layout.records):
            file.seek(layout.start + record * layout.record_bytes + offset)
            text = file.read(min(32, counts[clock] * layout.width)).split(b"\x14", 1)[0]
            onsets[record] = _onset(text)
    begins = np.rint((onsets - onsets[0]) * (layout.per_record / duration))
    if (np.diff(begins) < layout.per_record).any():
        raise FormatError("bad-header", "the EDF+D file's data records overlap in time")
    if begins[-1] > _LONGEST_GAPS * layout.records * layout.per_record:
        raise FormatError("unsupported", f"the EDF+D file's gaps are over {_LONGEST_GAPS} times as long as its data")
    return replace(layout, begins=begins.astype(np.int64))


def _onset(text: bytes) -> float:
    try:
        onset = float(text.split(b"\x15", 1)[0])
    except ValueError as error:
        raise FormatError("bad-header", "a data record of the EDF+D file does not say when it begins") from error
    if not np.isfinite(onset):
        raise FormatError("bad-header", "a data record of the EDF+D file does not say when it begins")
    return onset


def _ecg(edf: Any, signals: list[Any], layout: _Layout, fs: float, said: dict[str, Any]) -> Ecg:
    scales = [_scale(one) for one in signals]
    slope, shift = np.array([one[0] for one in scales]), np.array([one[1] for one in scales])
    last = (layout.records - 1) * layout.per_record if layout.begins is None else int(layout.begins[-1])

    def counts(start: int, stop: int) -> NDArray[np.int32]:
        return _window(layout, start, stop)

    def read(start: int, stop: int) -> NDArray[np.float32]:
        raw = _window(layout, start, stop)
        values = np.empty(raw.shape, np.float32)
        for row, one in enumerate(raw):
            values[row] = one * slope[row] + shift[row]
        if layout.begins is not None:
            values[raw == _ABSENT] = np.nan
        return values

    zero = -shift / slope
    whole = bool(np.all(np.abs(zero - np.rint(zero)) < 1e-6))
    ends = [
        sorted((one.digital_min * s + o, one.digital_max * s + o))
        for one, (s, o, _) in zip(signals, scales, strict=True)
    ]
    return Ecg(
        format="bdf" if layout.width == 3 else "edf",
        fs=fs,
        leads=[canonical_lead(one.label) for one in signals],
        units=[unit for _, _, unit in scales],
        samples=last + layout.per_record,
        read=read,
        read_digital=counts if whole else None,
        gain=[float(1 / one) for one in slope] if whole else None,
        baseline=[int(one) for one in np.rint(zero)] if whole else None,
        adc_range=[(float(low), float(high)) for low, high in ends],
        headers=_headers(edf),
        said=said,
    )


def _window(layout: _Layout, start: int, stop: int) -> NDArray[np.int32]:
    """Counts [signals, stop - start], the lowest value in gaps; read in blocks of whole data records."""
    out = np.full((len(layout.offsets), stop - start), _ABSENT, np.int32)
    size = layout.per_record
    if layout.begins is None:
        first, last = start // size, -(-stop // size)
    else:
        first = int(np.searchsorted(layout.begins, start - size, "right"))
        last = int(np.searchsorted(layout.begins, stop, "left"))
    step = max(1, _BLOCK // layout.record_bytes)
    with _opened(layout.path) as file:
        for at in range(first, last, step):
            held = min(at + step, last) - at
            file.seek(layout.start + at * layout.record_bytes)
            block = np.frombuffer(file.read(held * layout.record_bytes), np.uint8)
            if block.size < held * layout.record_bytes:
                raise FormatError("truncated", "the EDF file ends before its last sample")
            _place(out, block.reshape(held, -1), layout, at, start)
    return out


def _place(out: NDArray[np.int32], block: NDArray[np.uint8], layout: _Layout, at: int, start: int) -> None:
    """Put the data records from number `at` on where their samples belong in `out`, which begins at `start`."""
    size, held = layout.per_record, len(block)
    begins = (at + np.arange(held)) * size if layout.begins is None else layout.begins[at : at + held]
    edges = [0, *(np.flatnonzero(np.diff(begins) != size) + 1).tolist(), held]
    for row, offset in enumerate(layout.offsets):
        values = _integers(block[:, offset : offset + size * layout.width], layout.width)
        for one, other in pairwise(edges):
            place = int(begins[one]) - start
            low, high = max(place, 0), min(place + (other - one) * size, out.shape[1])
            if low < high:
                out[row, low:high] = values[one * size + low - place : one * size + high - place]


def _integers(raw: NDArray[np.uint8], width: int) -> NDArray[Any]:
    """Little-endian integers of two or three bytes."""
    flat = np.ascontiguousarray(raw).reshape(-1)
    if width == 2:
        return flat.view("<i2")
    wide = np.zeros((flat.size // 3, 4), np.uint8)
    wide[:, 1:] = flat.reshape(-1, 3)
    return wide.reshape(-1).view("<i4") >> 8


def _scale(signal: Any) -> tuple[float, float, str]:
    """Slope and offset from a count to mV, or to the signal's own unit, and the unit's name."""
    low, high = signal.digital_range
    bottom, top = signal.physical_range
    if high == low or bottom == top or not abs(bottom) + abs(top) < _LARGEST:
        raise FormatError("bad-header", "an EDF signal's digital or physical range is empty")
    factor, unit = millivolts(signal.physical_dimension)
    factor = 1.0 if factor is None else factor
    slope = (top - bottom) / (high - low)
    return slope * factor, (bottom - slope * low) * factor, unit


def _headers(edf: Any) -> dict[str, Any]:
    return {
        "local_patient_identification": str(edf.local_patient_identification),
        "local_recording_identification": str(edf.local_recording_identification),
    }

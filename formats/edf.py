"""EDF, EDF+ and BDF, through the edfio package."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import canonical_lead
from medpipe.formats.units import millivolts

_BDF_MAGIC = b"\xffBIOSEMI"
_HEADER = 256
_MOST_SIGNALS = 9999
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")


def open_edf(path: str) -> Ecg:
    """The signals of a file that share the highest rate among its voltages; `said` names those left out.

    Raises:
        FormatError: damaged, truncated, discontinuous (EDF+D with gaps), or without signals.
    """
    edf, bdf = _read(path)
    signals = [one for one in edf.signals if one.label not in _ANNOTATIONS]
    if not signals:
        raise FormatError("empty", "the EDF file holds no signal")
    if not edf.is_continuous:
        raise FormatError("unsupported", "the EDF+D file has gaps between its data records; write it as EDF+C")
    voltages = [one for one in signals if millivolts(one.physical_dimension)[0] is not None] or signals
    fs = max(float(one.sampling_frequency) for one in voltages)
    if not 0 < fs < 1e7:
        raise FormatError("bad-rate", "the EDF header gives its data records no duration")
    kept = [one for one in signals if float(one.sampling_frequency) == fs]
    return _ecg(edf, kept, [one.label for one in signals if one not in kept], fs, bdf)


def _read(path: str) -> tuple[Any, bool]:
    import edfio

    with open(path, "rb") as file:
        head = file.read(_HEADER)
        signals = _count(head[252:256]) if len(head) == _HEADER else 0
        head += file.read(_HEADER * min(max(signals, 0), _MOST_SIGNALS))
        size = file.seek(0, 2)
    bdf = head.startswith(_BDF_MAGIC)
    _check_size(head, signals, size, 3 if bdf else 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            edf: Any = edfio.read_bdf(path) if bdf else edfio.read_edf(path, header_encoding="latin-1")
        for signal in edf.signals:
            # Header fields are parsed when they are first looked at; damage must show here.
            _ = float(signal.sampling_frequency), signal.physical_range, signal.digital_range
        _ = edf.is_continuous
    except Exception as error:  # a damaged header may raise anything at all
        raise FormatError("bad-header", "the EDF header is damaged") from error
    return edf, bdf


def _count(field: bytes) -> int:
    try:
        return int(field)
    except ValueError as error:
        raise FormatError("bad-header", "the EDF header holds a field that is not a number") from error


def _check_size(head: bytes, signals: int, size: int, width: int) -> None:
    """The header's own account of its length, records and signals against the file."""
    if len(head) < _HEADER:
        raise FormatError("truncated", "the EDF file ends inside its header")
    records = _count(head[236:244])
    if not 1 <= signals <= _MOST_SIGNALS or _count(head[184:192]) != _HEADER * (signals + 1):
        raise FormatError("bad-header", "the EDF header's length and number of signals disagree")
    if len(head) < _HEADER * (signals + 1):
        raise FormatError("truncated", "the EDF file ends inside its header")
    if records < 0:
        raise FormatError("bad-header", "the EDF file was never finished: its number of data records is -1")
    if records == 0 or size == len(head):
        raise FormatError("empty", "the EDF file holds no data record")
    at = _HEADER + 216 * signals
    per_record = sum(_count(head[at + 8 * one : at + 8 * one + 8]) for one in range(signals))
    needed = len(head) + records * per_record * width
    if size < needed:
        raise FormatError("truncated", f"the EDF file holds {size} bytes, its header promises {needed}")


def _ecg(edf: Any, signals: list[Any], left_out: list[str], fs: float, bdf: bool) -> Ecg:
    samples = int(edf.num_data_records) * int(signals[0].samples_per_data_record)
    if samples == 0:
        raise FormatError("empty", "the EDF file holds no sample")
    scales = [_scale(one) for one in signals]
    slope, shift = np.array([one[0] for one in scales]), np.array([one[1] for one in scales])

    def counts(start: int, stop: int) -> NDArray[np.int32]:
        try:
            rows = [one.get_digital_slice(start / fs, stop / fs) for one in signals]
        except (ValueError, OSError) as error:
            raise FormatError("truncated", "the EDF file ends before its last sample") from error
        return np.stack(rows).astype(np.int32)

    def read(start: int, stop: int) -> NDArray[np.float32]:
        physical: NDArray[np.float32] = (counts(start, stop) * slope[:, None] + shift[:, None]).astype(np.float32)
        return physical

    zero = -shift / slope
    whole = bool(np.all(np.abs(zero - np.rint(zero)) < 1e-6))
    ends = [
        sorted((one.digital_min * s + o, one.digital_max * s + o))
        for one, (s, o, _) in zip(signals, scales, strict=True)
    ]
    return Ecg(
        format="bdf" if bdf else "edf",
        fs=fs,
        leads=[canonical_lead(one.label) for one in signals],
        units=[unit for _, _, unit in scales],
        samples=samples,
        read=read,
        read_digital=counts if whole else None,
        gain=[float(1 / one) for one in slope] if whole else None,
        baseline=[int(one) for one in np.rint(zero)] if whole else None,
        adc_range=[(float(low), float(high)) for low, high in ends],
        headers=_headers(edf),
        said={"signals_at_other_rates": len(left_out)} if left_out else {},
    )


def _scale(signal: Any) -> tuple[float, float, str]:
    """Slope and offset from a count to mV, or to the signal's own unit, and the unit's name."""
    low, high = signal.digital_range
    bottom, top = signal.physical_range
    if high == low or bottom == top or not np.isfinite([bottom, top]).all():
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

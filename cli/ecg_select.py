"""Leads, time and rate of an ECG record: what to keep of it, read only when it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from medpipe.core.resample import Resampled
from medpipe.core.windows import seconds_text, window_bounds
from medpipe.formats.arrays import LazyArray, is_array
from medpipe.formats.errors import FormatError
from medpipe.formats.image import ImagePixels
from medpipe.formats.jsonl import Record
from medpipe.formats.leads import canonical_lead
from medpipe.formats.record import ArraySignal, CountSignal, EcgSignal, physical_signal
from medpipe.formats.views import part

_PER_LEAD = ("units", "gain", "baseline", "adc_range")


def stored_signal(record: Record) -> LazyArray:
    """The signal as it is stored, counts or physical; FormatError when the record is no ECG."""
    physical_signal(record)
    signal: Any = record["signal"]
    return ArraySignal(signal) if isinstance(signal, np.ndarray) else signal


def select_leads(record: Record, names: list[str]) -> Record:
    """Only these leads, in this order; FormatError when one is not there."""
    signal = stored_signal(record)
    have = [canonical_lead(name) for name in record["leads"]]
    wanted = [canonical_lead(name) for name in names]
    missing = [name for name in wanted if name not in have]
    if missing:
        raise FormatError("missing-leads", f"no lead {', '.join(missing)}; there are {', '.join(have)}")
    rows = [have.index(name) for name in wanted]
    changed = {key: [record[key][row] for row in rows] for key in _PER_LEAD if _per_lead(record, key)}
    return {**record, **changed, "leads": wanted, "signal": part(signal, rows)}


def _per_lead(record: Record, key: str) -> bool:
    """Whether the record has a list of `key` with an entry for each lead, rather than one entry for all."""
    value = record.get(key)
    if not isinstance(value, list) or (key == "adc_range" and value and not isinstance(value[0], list)):
        return False
    if len(value) != len(record["leads"]):
        raise FormatError("bad-array", f"{key} has {len(value)} entries for {len(record['leads'])} leads")
    return True


def cut(record: Record, begin: float | None, end: float | None) -> Record:
    """Only the time from `begin` to `end`, in seconds; FormatError when nothing lies there."""
    signal, fs = stored_signal(record), float(record["fs"])
    samples = signal.shape[1]
    start = round((begin or 0.0) * fs)
    stop = samples if end is None else min(samples, round(end * fs))
    if start >= stop:
        raise FormatError("out-of-range", f"the recording of {samples / fs:g} s has nothing in the time asked for")
    return _between(record, signal, start, stop)


def _between(record: Record, signal: LazyArray, start: int, stop: int) -> Record:
    changed: Record = {"signal": part(signal, None, start, stop)}
    if is_array(record.get("beats")):
        beats = np.asarray(record["beats"] if isinstance(record["beats"], np.ndarray) else record["beats"].read())
        inside = (beats >= start) & (beats < stop)
        changed["beats"] = beats[inside] - start
        symbols = record.get("beat_symbols", [])
        changed["beat_symbols"] = [symbol for symbol, kept in zip(symbols, inside, strict=False) if kept]
    return {**record, **changed}


def segments(record: Record, seconds: float, step: float | None) -> Iterator[Record]:
    """A record for each window, `ID@t0-t1`, with the id of the whole as `parent`."""
    signal, fs = stored_signal(record), float(record["fs"])
    size = max(1, round(seconds * fs))
    stride = None if step is None else max(1, round(step * fs))
    for start, stop in window_bounds(signal.shape[1], size, stride):
        name = f"{record['id']}@{seconds_text(start / fs)}-{seconds_text(stop / fs)}"
        rest = {key: value for key, value in _between(record, signal, start, stop).items() if key != "id"}
        yield {"id": name, "parent": record["id"], **rest}


def resampled(record: Record, hz: float) -> Record:
    """At another rate, in physical units; converter counts are given up."""
    signal, fs, _ = physical_signal(record)
    rest: dict[str, Any] = {key: value for key, value in record.items() if key not in ("gain", "baseline")}
    if fs == hz:
        return {**rest, "signal": signal}
    if is_array(record.get("beats")):
        beats = np.asarray(record["beats"] if isinstance(record["beats"], np.ndarray) else record["beats"].read())
        rest["beats"] = np.rint(beats * (hz / fs)).astype(np.int64)
    shape = (int(signal.shape[0]), int(signal.shape[1]))
    rate = int(hz) if float(hz).is_integer() else hz
    return {**rest, "fs": rate, "signal": Resampled(signal.read, shape, fs, hz)}


def as_counts(record: Record) -> Record:
    """With the converter's integers and their gain and baseline in place of physical values."""
    if record.get("gain") is not None:
        return record
    signal = record.get("signal")
    if not isinstance(signal, EcgSignal):
        raise FormatError("no-counts", "--digital needs a file that holds converter counts")
    ecg = signal.ecg
    if ecg.read_digital is None or ecg.gain is None or ecg.baseline is None:
        raise FormatError("no-counts", f"this {ecg.format} file has no one gain and whole baseline a lead")
    counts = CountSignal(ecg.read_digital, signal.shape, np.dtype("<i4"))
    return {**record, "gain": ecg.gain, "baseline": ecg.baseline, "signal": counts}


def with_beats(record: Record, extension: str) -> Record:
    """With the annotated beats of a WFDB record: their samples and symbols."""
    from medpipe.formats.wfdb_annotation import read_beats

    signal = record.get("signal")
    if not isinstance(signal, EcgSignal) or signal.ecg.format != "wfdb":
        raise FormatError("no-beats", "--beats needs a WFDB record with its annotation file")
    samples, symbols = read_beats(signal.path, extension, signal.ecg.fs)
    return {**record, "beats": samples, "beat_symbols": symbols}


def with_fields(record: Record, names: list[str]) -> Record:
    """With these entries of the file's header; null for one that it does not have."""
    opened = record.get("image", record.get("signal"))
    headers = record.get("fields", {})
    if isinstance(opened, EcgSignal):
        headers = opened.ecg.headers
    elif isinstance(opened, ImagePixels):
        headers = opened.image.headers()
    found = {name: headers.get(name, headers.get(name.lower())) for name in names}
    return {**record, "fields": {**record.get("fields", {}), **found}}

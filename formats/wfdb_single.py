"""One WFDB segment, or a record that is not in segments, as an Ecg."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import canonical_lead
from medpipe.formats.wfdb_files import file_size, sibling
from medpipe.formats.wfdb_header import Header, Signal
from medpipe.formats.wfdb_signal import COMPRESSED, Counts, SignalFile, known_format
from medpipe.formats.wfdb_source import FlacSource, MixedSource, PlainSource, Scaled, Source

NULL_FILE = "~"
# A record up to this size is read when it is opened: its checksums are compared and its file opened once.
HOLD_BYTES = 4 * 2**20
# Baselines below this are exact in float32.
_EXACT = 2**23


def single_ecg(header: Header, path: str, *, hold: bool) -> Ecg:
    """The Ecg of a header without segments.

    Args:
        header: what `path` holds.
        path: the header's file; signal files are beside it.
        hold: read a small record at once and compare its checksums.

    Raises:
        FormatError: a signal file is absent, too short, or does not agree with the header.
    """
    if header.samples == 0:
        raise FormatError("empty", "the header announces zero samples")
    signals = header.signals
    said: dict[str, Any] = {}
    formats = [known_format(signal.storage.format) for signal in signals]
    if any(number in COMPRESSED for number in formats):
        source, samples = _flac(header, path, formats), header.samples or 0
    else:
        files = _signal_files(signals, os.path.dirname(path))
        samples = header.samples or files[0][0].frames_held()
        if samples == 0:
            raise FormatError("empty", "the signal file holds no samples")
        _check_files(header, files, samples, said, hold=hold)
        source = _source(signals, files, samples)
    return describe(header, source, samples, said)


def _signal_files(signals: list[Signal], folder: str) -> list[tuple[SignalFile, list[int]]]:
    groups: dict[str, list[int]] = {}
    for row, signal in enumerate(signals):
        if signal.file != NULL_FILE and signal.storage.format != 0:
            groups.setdefault(signal.file, []).append(row)
    if not groups:
        raise FormatError("empty", "the header names no signal file: it is the layout of a longer record")
    files = []
    for name, rows in groups.items():
        members = [signals[row] for row in rows]
        first = members[0].storage
        if any(member.storage.format != first.format for member in members):
            raise FormatError("bad-header", "the header gives one signal file two formats")
        files.append(
            (
                SignalFile(
                    sibling(folder, name),
                    first.format,
                    first.offset,
                    [member.storage.per_frame for member in members],
                    [member.initial for member in members],
                ),
                rows,
            )
        )
    return files


def _source(signals: list[Signal], files: list[tuple[SignalFile, list[int]]], samples: int) -> Source:
    skews = [signal.storage.skew for signal in signals]
    file, rows = files[0]
    if len(rows) == len(signals) and file.total == len(rows) and not any(skews):
        return PlainSource(file, file.layout.absent)
    return MixedSource(files, skews, samples)


def _check_files(
    header: Header, files: list[tuple[SignalFile, list[int]]], samples: int, said: dict[str, Any], *, hold: bool
) -> None:
    """Lengths always; checksums of a record that is small enough to be held.

    A wrong checksum is only noted. But where the file is also longer than the header says, or all checksums and
    all first samples are others, the two disagree.
    """
    hold = hold and sum(file.bytes_needed(samples) for file, _ in files) <= HOLD_BYTES
    wrong: list[int] = []
    for file, rows in files:
        extra = file.check_length(samples)
        stated = [header.signals[row].checksum for row in rows]
        if hold:
            frames = file.hold(samples)
            differ = _differing(file, frames, stated)
            wrong += [rows[place] for place in differ]
            if len(differ) == len(rows) and file.total == len(rows) and _begins_otherwise(file, frames):
                raise FormatError("mismatch", f"{file.what} holds other samples than the header's checksums are of")
        # A frame more than announced: a wrong number of signals would look the same.
        if extra < max(file.bytes_needed(1), 4):
            continue
        if hold and differ:
            raise FormatError(
                "mismatch", f"{file.what} is {extra} bytes longer than the header says, and checksums differ"
            )
        said["length"] = f"{extra} bytes of the signal file lie beyond the header's number of samples"
    if wrong:
        said["checksum"] = "differs for " + ", ".join(lead_names(header.signals, wrong))


def _differing(file: SignalFile, frames: Counts, stated: list[int | None]) -> list[int]:
    """Places of signals whose 16-bit checksum is another than the header's; all zero counts as not stated."""
    if not any(stated):
        return []
    # Sums that wrap are good enough modulo 2^16, and many times faster.
    sums = np.add.reduce(frames, axis=0, dtype=frames.dtype)
    if file.total > len(file.widths):
        sums = np.add.reduceat(sums, np.cumsum([0, *file.widths])[:-1], dtype=frames.dtype)
    return [
        place
        for place, (total, check) in enumerate(zip(sums.tolist(), stated, strict=True))
        if check is not None and (total - check) % 65536
    ]


def _begins_otherwise(file: SignalFile, frames: Counts) -> bool:
    return all(int(found) != stated for found, stated in zip(frames[0], file.initial, strict=True))


def _flac(header: Header, path: str, formats: list[int]) -> Source:
    if header.samples is None:
        raise FormatError("bad-header", "the header of a compressed record does not give its length")
    for name in {signal.file for signal in header.signals}:
        file_size(sibling(os.path.dirname(path), name), f"the signal file {os.path.basename(name)}")
    return FlacSource(os.path.abspath(path).removesuffix(".hea"), formats)


def lead_names(signals: list[Signal], rows: Sequence[int]) -> list[str]:
    """Canonical names of some rows; a signal without description is called by its number."""
    return [canonical_lead(signals[row].name) or f"signal {row}" for row in rows]


def describe(header: Header, source: Source, samples: int, said: dict[str, Any]) -> Ecg:
    """The Ecg of a header whose counts come from `source`."""
    signals = header.signals
    leads = lead_names(signals, range(len(signals)))
    gain = [signal.calibration.gain / (signal.calibration.factor or 1.0) for signal in signals]
    baseline = [signal.baseline for signal in signals]
    gains, baselines = np.array(gain), np.array(baseline, np.float64)
    exact = bool((gains == gains.astype(np.float32)).all()) and bool((np.abs(baselines) < _EXACT).all())
    scaled = Scaled(source, samples, gains, baselines, exact)
    _notes(header, leads, said)
    return Ecg(
        "wfdb",
        header.fs,
        leads,
        [signal.calibration.unit for signal in signals],
        samples,
        scaled.physical,
        scaled.digital,
        gain,
        baseline,
        _adc_range(signals, gain, baseline),
        header.fields() | {"lead_names": [signal.name for signal in signals]},
        said,
    )


def _adc_range(signals: list[Signal], gain: list[float], baseline: list[int]) -> list[tuple[float, float]] | None:
    ranges = []
    for signal, counts, physical_zero in zip(signals, gain, baseline, strict=True):
        if not 0 < signal.resolution <= 32:
            return None
        half = 1 << (signal.resolution - 1)
        ends = (signal.zero - half - physical_zero) / counts, (signal.zero + half - 1 - physical_zero) / counts
        ranges.append((min(ends), max(ends)))
    return ranges


def _notes(header: Header, leads: list[str], said: dict[str, Any]) -> None:
    """What was assumed or converted: by the format's defaults, never by a look at the values."""
    unit_notes: dict[str, list[str]] = {}
    uncalibrated, frames, skews = [], {}, {}
    for lead, signal in zip(leads, header.signals, strict=True):
        calibration, storage = signal.calibration, signal.storage
        if calibration.default_gain:
            uncalibrated.append(lead)
        elif not calibration.named:
            unit_notes.setdefault("not named, mV by the format's default", []).append(lead)
        elif calibration.factor not in (None, 1.0):
            unit_notes.setdefault(f"{calibration.named} to mV", []).append(lead)
        if storage.per_frame > 1:
            frames[lead] = storage.per_frame
        if storage.skew:
            skews[lead] = storage.skew
    if uncalibrated:
        said["gain"] = {"default 200 adu/mV": _some(uncalibrated, leads)}
    if unit_notes:
        said["units"] = {note: _some(which, leads) for note, which in unit_notes.items()}
    if frames:
        said["frames"] = {"samples averaged": frames}
    if skews:
        said["skew"] = skews
    if header.default_fs:
        said["fs"] = "not in the header, 250 Hz by the format's default"


def _some(which: list[str], leads: list[str]) -> str | list[str]:
    return "all" if len(which) == len(leads) else which

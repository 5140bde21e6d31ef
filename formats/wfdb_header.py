"""WFDB headers: the text that says how the signals of a record are stored.

Source: header(5) of the WFDB Applications Guide (PhysioNet), which also gives the defaults.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from medpipe.formats.errors import FormatError
from medpipe.formats.units import millivolts
from medpipe.formats.wfdb_files import read_upto, refuse_pointer

DEFAULT_GAIN = 200.0
DEFAULT_FS = 250.0
# Nobody has such gains; within them no value overflows a float32.
MAX_GAIN = 1e20
# Multi-segment headers of a week come to about a megabyte.
_MAX_BYTES = 32 * 2**20
# Nearly every header fits, and a small buffer costs less than a large one.
_FIRST_BYTES = 2**14
_MAX_SAMPLES = 2**40
_MAX_COUNT = 2**40
_NOT_TEXT = bytes(n for n in range(32) if n not in b"\t\n\v\f\r") + b"\x7f"

_FORMAT = re.compile(r"(\d{1,9})(?:x(\d{1,9}))?(?::(\d{1,9}))?(?:\+(\d{1,15}))?", re.ASCII)
_GAIN = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)(?:\(([-+]?\d{1,15})\))?(?:/(\S*))?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,15}", re.ASCII)
_RATE = re.compile(r"([\d.]+(?:[eE][-+]?\d{1,3})?)(?:/([^(\s]*))?(?:\(([^)\s]*)\))?", re.ASCII)
_INFO = re.compile(r"<([^<>]+)>:?\s*([^<]*)")


@dataclass(frozen=True, slots=True)
class Storage:
    """The format field of a signal line."""

    format: int
    per_frame: int
    skew: int
    offset: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """The gain field of a signal line: counts per `unit`, with the factor that takes `unit` to millivolts."""

    gain: float
    baseline: int | None
    # As the header has it: empty when it names none.
    named: str
    unit: str
    factor: float | None
    default_gain: bool


@dataclass(slots=True)
class Signal:
    """One signal line."""

    file: str
    storage: Storage
    calibration: Calibration
    resolution: int
    zero: int
    initial: int
    checksum: int | None
    name: str

    @property
    def baseline(self) -> int:
        """The count of physical zero."""
        stated = self.calibration.baseline
        return self.zero if stated is None else stated


@dataclass(slots=True)
class Header:
    """A header: `signals` of an ordinary record, `segments` (name, samples) of a multi-segment one.

    `samples` is None when the header does not say it.
    """

    count: int
    fs: float
    default_fs: bool
    samples: int | None
    record: dict[str, str]
    signals: list[Signal] = field(default_factory=list)
    segments: list[tuple[str, int]] | None = None
    comments: list[str] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """The header's own words: record line, comments, and what comments state as `name: value`.

        Names are in lower case, since databases differ in it (`Age`, `age`, `<age>`).
        """
        found: dict[str, Any] = {}
        for line in self.comments:
            pairs = _INFO.findall(line) or [line.partition(":")[::2]]
            found |= {key.strip().lower(): value.strip() for key, value in pairs if key and value.strip()}
        found |= self.record
        if self.comments:
            found["comments"] = self.comments
        return found


def read_header(path: str) -> Header:
    """The header in a file.

    Raises:
        FormatError: the file is absent, a pointer, or no WFDB header.
    """
    what = f"the header {os.path.basename(path)}"
    raw = read_upto(path, 0, _FIRST_BYTES, what)
    if len(raw) == _FIRST_BYTES:
        raw += read_upto(path, _FIRST_BYTES, _MAX_BYTES + 1 - _FIRST_BYTES, what)
    return parse_header(raw)


def parse_header(raw: bytes) -> Header:
    """The header in `raw`; FormatError when it is none, or says what cannot be."""
    refuse_pointer(raw[:64], "the header")
    if len(raw) > _MAX_BYTES or raw.translate(None, _NOT_TEXT) != raw:
        raise _bad("the header is not text")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\r" in text:
        text = text.replace("\r", "\n")
    lines, comments = [], []
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("#"):
            comments.append(line.strip(" \t#"))
        elif line:
            lines.append(line)
    if not lines:
        raise _bad("the header is empty")
    header = _record_line(lines[0])
    header.comments = [comment for comment in comments if comment]
    if header.segments is None:
        _expect(header.count, len(lines) - 1, "signals")
        header.signals = [_signal_line(line) for line in lines[1:]]
    else:
        _expect(int(header.record["segments"]), len(lines) - 1, "segments")
        header.segments = [_segment_line(line) for line in lines[1:]]
    return header


def _bad(message: str) -> FormatError:
    return FormatError("bad-header", message)


def _expect(stated: int, found: int, what: str) -> None:
    if stated != found:
        raise _bad(f"the header announces {stated} {what} and describes {found}")


def _integer(token: str, what: str, low: int, high: int) -> int:
    if not _INTEGER.fullmatch(token):
        raise _bad(f"{what} is not a whole number")
    value = int(token)
    if not low <= value <= high:
        raise _bad(f"{what} is out of range")
    return value


def _record_line(line: str) -> Header:
    parts = line.split(None, 5)
    if len(parts) < 2:
        raise _bad("the first line is not that of a WFDB header")
    name, slash, segments = parts[0].partition("/")
    record = {"record": name}
    count = _integer(parts[1], "the number of signals", 0, 2**20)
    if count == 0:
        raise FormatError("empty", "the header announces no signals")
    fs = _rate(parts[2], record) if len(parts) > 2 else DEFAULT_FS
    samples = _integer(parts[3], "the number of samples", 0, _MAX_SAMPLES) if len(parts) > 3 else None
    record |= dict(zip(("time", "date"), parts[4:6], strict=False))
    if slash:
        record["segments"] = str(_integer(segments, "the number of segments", 1, 2**24))
    return Header(count, fs, len(parts) < 3, samples, record, segments=[] if slash else None)


def _rate(token: str, record: dict[str, str]) -> float:
    match = _RATE.fullmatch(token)
    try:
        fs = float(match[1]) if match else float("nan")
    except ValueError as error:
        raise FormatError("bad-rate", "the header's sampling rate is not a number") from error
    if match is None or not 0 < fs < 1e7:
        raise FormatError("bad-rate", "the header's sampling rate is not one in Hz: it is zero or no number")
    if match[2]:
        record["counter_frequency"] = match[2]
    if match[3]:
        record["base_counter"] = match[3]
    return fs


@lru_cache(maxsize=1024)
def _storage(token: str) -> Storage:
    match = _FORMAT.fullmatch(token)
    if match is None:
        raise _bad("a signal's format is not a number with the additions that WFDB knows")
    per_frame = int(match[2] or 1)
    if not 1 <= per_frame <= 2**16:
        raise _bad("a signal's number of samples per frame is out of range")
    return Storage(int(match[1]), per_frame, int(match[3] or 0), int(match[4] or 0))


@lru_cache(maxsize=4096)
def _calibration(token: str) -> Calibration:
    match = _GAIN.fullmatch(token)
    gain = float(match[1]) if match else float("nan")
    if match is None or not (gain == 0 or 1 / MAX_GAIN <= abs(gain) <= MAX_GAIN):
        raise _bad("a signal's gain is not a usable number with baseline and unit")
    named = match[3] or ""
    # A header that names no unit means mV: header(5).
    factor, unit = millivolts(named or "mV")
    baseline = None if match[2] is None else int(match[2])
    if gain == 0:
        return Calibration(DEFAULT_GAIN, baseline, named, unit, factor, default_gain=True)
    return Calibration(gain, baseline, named, unit, factor, default_gain=False)


def _signal_line(line: str) -> Signal:
    """A signal line; the common, complete one is taken without a look at each field."""
    parts = line.split(None, 8)
    if len(parts) == 9 and "_" not in line[len(parts[0]) :]:
        file, form, gain, resolution, zero, initial, checksum, _, name = parts
        try:
            signal = Signal(
                file, _storage(form), _calibration(gain), int(resolution), int(zero), int(initial),
                int(checksum), name,
            )  # fmt: skip
        except ValueError as error:
            if isinstance(error, FormatError):
                raise
            raise _bad("a signal line holds a field that is not a whole number") from error
        if 0 <= signal.resolution <= 64 and abs(signal.zero) < _MAX_COUNT and abs(signal.initial) < _MAX_COUNT:
            return signal
        raise _bad("a signal line holds a number that is out of range")
    return _short_signal_line(parts)


def _short_signal_line(parts: list[str]) -> Signal:
    if len(parts) < 2:
        raise _bad("a signal line holds no format")
    numbers = dict(zip(("resolution", "zero", "initial", "checksum", "block"), parts[3:8], strict=False))
    limits = {"resolution": (0, 64)}
    values = {
        name: _integer(token, f"a signal's {name}", *limits.get(name, (-_MAX_COUNT, _MAX_COUNT)))
        for name, token in numbers.items()
    }
    return Signal(
        parts[0],
        _storage(parts[1]),
        _calibration(parts[2] if len(parts) > 2 else "0"),
        values.get("resolution", 0),
        values.get("zero", 0),
        values.get("initial", values.get("zero", 0)),
        values.get("checksum"),
        parts[8] if len(parts) > 8 else "",
    )


def _segment_line(line: str) -> tuple[str, int]:
    parts = line.split()
    if len(parts) < 2:
        raise _bad("a segment line holds no length")
    return parts[0], _integer(parts[1], "a segment's length", 0, _MAX_SAMPLES)

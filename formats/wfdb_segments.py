"""WFDB records in segments, of fixed or variable layout; where a lead is in no segment it is NaN."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_files import sibling
from medpipe.formats.wfdb_header import Header, read_header
from medpipe.formats.wfdb_single import NULL_FILE, lead_names, single_ecg
from medpipe.formats.wfdb_source import ABSENT


@dataclass(slots=True)
class Segment:
    """A stretch of the record: `rows[i]` of the whole is row `own[i]` of `ecg`."""

    start: int
    stop: int
    ecg: Ecg
    rows: list[int]
    own: list[int]


@dataclass(slots=True)
class Segmented:
    """The readers of a record in segments, which are in order and do not overlap."""

    segments: list[Segment]
    leads: int
    samples: int

    def physical(self, start: int, stop: int) -> NDArray[np.float32]:
        """Values float32 [leads, stop - start], NaN for absent samples and in gaps."""
        out = np.full((self.leads, self._length(start, stop)), np.nan, np.float32)
        for segment, low, high in self._within(start, stop):
            block = segment.ecg.read(low - segment.start, high - segment.start)
            out[segment.rows, low - start : high - start] = block[segment.own]
        return out

    def digital(self, start: int, stop: int) -> NDArray[np.int32]:
        """Counts int32 [leads, stop - start], the lowest int32 for absent samples and in gaps."""
        out = np.full((self.leads, self._length(start, stop)), ABSENT, np.int32)
        for segment, low, high in self._within(start, stop):
            if segment.ecg.read_digital is not None:
                block = segment.ecg.read_digital(low - segment.start, high - segment.start)
                out[segment.rows, low - start : high - start] = block[segment.own]
        return out

    def _length(self, start: int, stop: int) -> int:
        if not 0 <= start <= stop <= self.samples:
            raise FormatError("bad-value", f"samples {start} to {stop} of a recording of {self.samples} samples")
        return stop - start

    def _within(self, start: int, stop: int) -> list[tuple[Segment, int, int]]:
        first = bisect_right(self.segments, start, key=lambda segment: segment.stop)
        found = []
        for segment in self.segments[first:]:
            if segment.start >= stop:
                break
            found.append((segment, max(start, segment.start), min(stop, segment.stop)))
        return found


def segmented_ecg(header: Header, path: str) -> Ecg:
    """The Ecg of a multi-segment header (header(5), `Multi-segment records`).

    Every segment's header is read and the length of its signal file checked; samples are read on demand.

    Raises:
        FormatError: a segment is absent, damaged, or does not agree with the whole.
    """
    stated = header.segments or []
    if header.samples == 0:
        raise FormatError("empty", "the header announces zero samples")
    total = sum(length for _, length in stated)
    if total == 0:
        raise FormatError("empty", "the segments hold no samples")
    if header.samples is not None and header.samples != total:
        raise FormatError("bad-header", f"{header.samples} samples announced, the segments have {total}")
    folder = os.path.dirname(path)
    layout = None
    if stated[0][1] == 0 and stated[0][0] != NULL_FILE:
        layout = _segment_header(folder, stated[0][0], header, None)
        stated = stated[1:]
    segments, names, left_out = _open_segments(stated, header, folder, layout)
    gaps = sum(length for name, length in stated if name == NULL_FILE)
    said: dict[str, Any] = {"segments": {"count": len(segments), "samples_in_no_segment": gaps}}
    if left_out:
        said["segments"]["signals_not_in_layout"] = sorted(left_out)
    return _described(header, segments, names, total, said)


def _segment_header(folder: str, name: str, whole: Header, length: int | None) -> Header:
    header = read_header(sibling(folder, f"{name}.hea"))
    if header.segments is not None:
        raise FormatError("bad-header", f"segment {name} is itself in segments")
    if not header.default_fs and header.fs != whole.fs:
        raise FormatError("bad-header", f"segment {name} has another sampling rate than the record")
    if length is not None and header.samples not in (None, length):
        raise FormatError("bad-header", f"segment {name} has another length than the record says")
    return header


def _open_segments(
    stated: list[tuple[str, int]], whole: Header, folder: str, layout: Header | None
) -> tuple[list[Segment], list[str], set[str]]:
    """The segments, the names of the record's leads, and names that the layout does not have."""
    segments: list[Segment] = []
    names = None if layout is None else _names(layout)
    left_out: set[str] = set()
    at = 0
    for name, length in stated:
        if name != NULL_FILE and length:
            header = _segment_header(folder, name, whole, length)
            ecg = single_ecg(header, sibling(folder, f"{name}.hea"), hold=False)
            if ecg.samples < length:
                raise FormatError("truncated", f"segment {name} holds fewer samples than the record says")
            own = _names(header)
            names = names or own
            if layout is None and len(own) != whole.count:
                raise FormatError("bad-header", f"segment {name} has another number of signals than the record")
            # In a fixed layout every segment has the same signals: by place they may not be called otherwise.
            if layout is None and own != names:
                raise FormatError("bad-header", f"segment {name} has other leads than the first, in a fixed layout")
            pairs = _matches(names, own)
            matched = {place for _, place in pairs}
            left_out |= {lead for place, lead in enumerate(own) if place not in matched}
            segments.append(Segment(at, at + length, ecg, [row for row, _ in pairs], [own for _, own in pairs]))
        at += length
    if names is None:
        raise FormatError("empty", "the record has no segment with samples")
    if len(names) != whole.count:
        raise FormatError("bad-header", f"{whole.count} signals announced, the layout describes {len(names)}")
    return segments, names, left_out


def _names(header: Header) -> list[str]:
    return lead_names(header.signals, range(len(header.signals)))


def _matches(names: list[str], own: list[str]) -> list[tuple[int, int]]:
    """(row, place in the segment) of each lead; a repeated name is matched in order."""
    places: dict[tuple[str, int], int] = {}
    for place, name in enumerate(own):
        places[name, own[:place].count(name)] = place
    keys = [(name, names[:row].count(name)) for row, name in enumerate(names)]
    return [(row, places[key]) for row, key in enumerate(keys) if key in places]


def _described(header: Header, segments: list[Segment], names: list[str], samples: int, said: dict[str, Any]) -> Ecg:
    count = len(names)
    units, mixed = _per_lead(segments, count, lambda ecg, row: ecg.units[row], "unknown")
    scales, rescaled = _per_lead(segments, count, _scale, (1.0, 0))
    ranges, other = _per_lead(segments, count, lambda ecg, row: ecg.adc_range and ecg.adc_range[row], None)
    if mixed:
        said["units"] = {"differs between segments, so unknown": [names[row] for row in mixed]}
    for segment in segments:
        for key in ("gain", "units", "frames", "skew", "length"):
            if key in segment.ecg.said:
                said.setdefault(key, segment.ecg.said[key])
    reader = Segmented(segments, count, samples)
    constant = not rescaled and not mixed
    return Ecg(
        "wfdb",
        header.fs,
        names,
        ["unknown" if row in mixed else unit for row, unit in enumerate(units)],
        samples,
        reader.physical,
        reader.digital if constant else None,
        [gain for gain, _ in scales] if constant else None,
        [baseline for _, baseline in scales] if constant else None,
        None if other or None in ranges else ranges,
        header.fields() | {"lead_names": names},
        said,
    )


def _scale(ecg: Ecg, row: int) -> tuple[float, int]:
    return (ecg.gain or [])[row], (ecg.baseline or [])[row]


def _per_lead(segments: list[Segment], count: int, look: Any, default: Any) -> tuple[list[Any], list[int]]:
    """What `look` finds for each lead in the first segment that has it, and the leads on which others differ."""
    found: dict[int, Any] = {}
    differing: set[int] = set()
    for segment in segments:
        for row, place in zip(segment.rows, segment.own, strict=True):
            value = look(segment.ecg, place)
            if found.setdefault(row, value) != value:
                differing.add(row)
    return [found.get(row, default) for row in range(count)], sorted(differing)

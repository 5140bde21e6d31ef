"""MIT-format annotation files (annot(5) of the WFDB Applications Guide): where the beats are, and which."""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_files import read_upto, record_stem, refuse_pointer

# Annotation codes that stand for a beat and their symbols, as PhysioNet's table of beat annotations has them.
BEAT_SYMBOLS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/",
    13: "Q", 25: "B", 30: "?", 34: "e", 35: "n", 38: "f", 41: "r",
}  # fmt: skip

_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_NOTE = 22
_MAX_BYTES = 2**28
_RESOLUTION = re.compile(rb"## time resolution: (\d+\.?\d*)", re.ASCII)


def read_beats(path: str, extension: str = "atr", fs: float | None = None) -> tuple[NDArray[np.int64], list[str]]:
    """Sample numbers [n] and symbols [n] of the beats that a record is annotated with.

    Args:
        path: any of the record's files, or its path without suffix.
        extension: the annotator, which is the suffix of the annotation file.
        fs: sampling rate of the record in Hz: times of a file that states another resolution are converted
            to it. Without it they are as the file has them (so has wfdb.rdann).

    Raises:
        FormatError: the file is absent, a pointer, or damaged.
    """
    file = f"{record_stem(path)}.{extension}"
    what = f"the annotation file {os.path.basename(file)}"
    raw = read_upto(file, 0, _MAX_BYTES + 1, what)
    refuse_pointer(raw[:64], what)
    if len(raw) < 2 or len(raw) > _MAX_BYTES:
        raise FormatError("bad-annotation", f"{what} is empty or no annotation file")
    samples, symbols, resolution = parse_beats(raw, what)
    if fs is not None and resolution not in (None, fs):
        samples = np.rint(samples * (fs / resolution)).astype(np.int64)
    return samples, symbols


def parse_beats(raw: bytes, what: str = "the file") -> tuple[NDArray[np.int64], list[str], float | None]:
    """Sample numbers, symbols and, where the file states it, time resolution in Hz; FormatError when damaged."""
    words = np.frombuffer(raw[: len(raw) & ~1], "<u2").tolist()
    samples: list[int] = []
    symbols: list[str] = []
    resolution: float | None = None
    time = place = last = 0
    # An end of file is a word of zeros; anything after it is not annotation.
    try:
        while word := words[place]:
            code, value = word >> 10, word & 0x3FF
            place += 1
            if code == _SKIP:
                skip = words[place] << 16 | words[place + 1]
                time += skip - (1 << 32) if skip >> 31 else skip
                place += 2
            elif code == _AUX:
                value &= 0xFF
                if last == _NOTE and time == 0:
                    resolution = _resolution(raw[2 * place : 2 * place + value]) or resolution
                place += (value + 1) // 2
            elif code not in (_NUM, _SUB, _CHN):
                time, last = time + value, code
                if code in BEAT_SYMBOLS:
                    samples.append(time)
                    symbols.append(BEAT_SYMBOLS[code])
    except IndexError as error:
        raise FormatError("truncated", f"{what} ends without the mark of its end: it is truncated") from error
    found = np.array(samples, np.int64)
    if len(found) and (found[0] < 0 or (np.diff(found) < 0).any()):
        raise FormatError("bad-annotation", f"{what} is damaged: its beats are not in order of time")
    return found, symbols, resolution


def _resolution(note: bytes) -> float | None:
    match = _RESOLUTION.match(note)
    return (float(match[1]) or None) if match else None


def write_beats(path: str | os.PathLike[str], samples: NDArray[np.int64], symbols: list[str], fs: float) -> None:
    """Write beats as an annotation file; one without a single beat holds the mark of its end alone.

    Args:
        path: the file, whose suffix is the annotator.
        samples: [n] sample numbers, in order.
        symbols: [n] of BEAT_SYMBOLS.
        fs: sampling rate in Hz, written into the file.

    Raises:
        FormatError: samples and symbols do not go together, or cannot be written.
    """
    if len(samples) != len(symbols) or not set(symbols) <= set(BEAT_SYMBOLS.values()):
        raise FormatError("bad-array", "beats need as many beat_symbols, of those that WFDB has for beats")
    if len(samples) and (samples[0] < 0 or (np.diff(samples) < 0).any()):
        raise FormatError("bad-array", "beats are not in order of time")
    folder, name = os.path.split(os.fspath(path))
    if not len(samples):
        with open(path, "wb") as stream:
            stream.write(b"\0\0")
        return
    import wfdb

    stem, suffix = os.path.splitext(name)
    wfdb.wrann(stem, suffix[1:], np.asarray(samples, np.int64), symbols, fs=fs, write_dir=folder)

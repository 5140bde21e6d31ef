"""Tables of samples: the header names the leads, each row is one moment."""

from __future__ import annotations

import csv
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import canonical_lead, is_lead
from medpipe.formats.units import millivolts

_DELIMITERS = ",;\t"
# Names of a column of times, and its unit in seconds where the name gives none in brackets.
_TIMES = {
    "time": 1.0,
    "t": 1.0,
    "seconds": 1.0,
    "time_s": 1.0,
    "sec": 1.0,
    "ms": 1e-3,
    "time_ms": 1e-3,
    "milliseconds": 1e-3,
}
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6}
_WITH_UNIT = re.compile(r"(.*?)\s*[\[(]\s*([^\])]*?)\s*[\])]\s*")
_ABSENT = ("", "nan", "na", "n/a", "null", "none", "-")
_UNEVEN = 0.01


def open_csv(path: str, fs: float | None) -> Ecg:
    """The recording of a CSV or TSV file, read whole: about six times the file's size in memory.

    The first row names the leads, with units as in `I (uV)` or `V1 [mV]`; without one the unit is unknown. The
    rate is `fs`, else it comes from a column `time`, `t`, `seconds` or `ms`. Empty cells, NaN, NA, null, none and
    a lone hyphen are samples that are absent.

    Raises:
        FormatError: no header, a cell that is no number, rows of different lengths, or no rate.
    """
    head, _, body = _text(path).partition("\n")
    delimiter = max(_DELIMITERS, key=head.count)
    columns = _columns(head.rstrip("\r"), delimiter)
    values = _numbers(body.rstrip(_blank(delimiter) + "\n"), delimiter, len(columns))
    if not len(values):
        raise FormatError("empty", "the table holds no row of samples")
    clock = [place for place, (name, _) in enumerate(columns) if name.lower() in _TIMES]
    rate = fs if fs is not None else _rate(values, columns, clock)
    if not 0 < rate < 1e7:
        raise FormatError("bad-rate", "the table's sampling rate is not a number of Hz above zero")
    rows = [place for place in range(len(columns)) if place not in clock]
    if not rows:
        raise FormatError("empty", "the table holds no lead")
    return _ecg(values[:, rows].T, [columns[place] for place in rows], rate)


def names_a_lead(path: str) -> bool:
    """Whether a column of a table is a lead by its name: in a folder, other tables are no recordings."""
    try:
        with open(path, "rb") as file:
            head = file.readline(1 << 16).decode("utf-8-sig").rstrip("\r\n")
        return any(is_lead(name) for name, _ in _columns(head, max(_DELIMITERS, key=head.count)))
    except (OSError, UnicodeDecodeError, FormatError):
        return False


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("bad-value", "the table is not UTF-8 text") from error
    except OSError as error:
        raise FormatError("unreadable", f"the file cannot be read: {error.strerror}") from error


def _columns(head: str, delimiter: str) -> list[tuple[str, str]]:
    """Name and unit of each column."""
    try:
        names = next(csv.reader([head], delimiter=delimiter), [])
    except csv.Error as error:
        raise FormatError("bad-header", "the table's first row is not CSV") from error
    if not names or any(not name.strip() for name in names):
        raise FormatError("bad-header", "the table's first row must name every column")
    if all(_is_number(name) for name in names):
        raise FormatError("bad-header", "the table's first row holds numbers, it must name the leads")
    found = [_WITH_UNIT.fullmatch(name.strip()) for name in names]
    return [(one[1], one[2]) if one else (name.strip(), "") for one, name in zip(found, names, strict=True)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(body: str, delimiter: str, width: int) -> NDArray[np.float64]:
    """All rows [n, width]: at once where every cell is a number or empty, cell by cell else."""
    if not body:
        return np.empty((0, width))
    lines = body.split("\n")
    # A blank line is no row, save where it is the one empty cell of a row.
    if width == 1:
        lines = [line if line.strip() else "nan" for line in lines]
    try:
        values = _at_once(lines, delimiter)
    except ValueError:
        values = None
    if values is None:
        empty = re.compile(rf"(?<![^{delimiter}])[ ]*(?=[{delimiter}\r]|$)")
        try:
            blank = _blank(delimiter)
            values = _at_once([empty.sub("nan", line) if line.strip(blank) else line for line in lines], delimiter)
        except ValueError:
            values = _cell_by_cell(lines, delimiter, width)
    if values.shape[1] != width:
        raise FormatError("bad-value", f"row 2 of the table has {values.shape[1]} cells, the header {width}")
    return values


def _blank(delimiter: str) -> str:
    """What a line may be of and be blank: tabs alone are empty cells where they stand between cells."""
    return " \r" if delimiter == "\t" else " \r\t"


def _at_once(lines: list[str], delimiter: str) -> NDArray[np.float64]:
    return np.loadtxt(lines, delimiter=delimiter, ndmin=2, comments=None, quotechar='"')


def _cell_by_cell(lines: list[str], delimiter: str, width: int) -> NDArray[np.float64]:
    rows: list[list[float]] = []
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            if not cells:
                continue
            number = reader.line_num + 1
            if len(cells) != width:
                raise FormatError("bad-value", f"row {number} of the table has {len(cells)} cells, the header {width}")
            rows.append([_cell(text, number, place) for place, text in enumerate(cells, 1)])
    except csv.Error as error:
        raise FormatError("bad-value", "the table is not CSV throughout") from error
    return np.array(rows, np.float64).reshape(-1, width)


def _cell(text: str, row: int, column: int) -> float:
    bare = text.strip()
    if bare.lower() in _ABSENT:
        return np.nan
    # Python takes digits of any script and underscores between them for numbers.
    if not bare.isascii() or "_" in bare or not _is_number(bare):
        raise FormatError("bad-value", f"row {row}, column {column} of the table is not a number")
    return float(bare)


def _rate(values: NDArray[np.float64], columns: list[tuple[str, str]], clock: list[int]) -> float:
    if not clock:
        raise FormatError("no-rate", "the table has no column of times: give --fs HZ")
    name, unit = columns[clock[0]]
    scale = _SECONDS.get(unit.lower()) if unit else _TIMES[name.lower()]
    if scale is None:
        raise FormatError("no-rate", "the column of times is neither in s, ms nor us: give --fs HZ")
    times = values[:, clock[0]] * scale
    steps = np.diff(times)
    if not len(steps) or not np.isfinite(steps).all() or not (steps > 0).all():
        raise FormatError("no-rate", "the column of times does not rise: give --fs HZ")
    step = float(np.median(steps))
    wrong = float(np.abs(steps - step).max())
    # Times since 1970 have few digits left for fractions of a second.
    if wrong > _UNEVEN * step + 4 * np.finfo(float).eps * float(np.abs(times).max()):
        raise FormatError("no-rate", "the column of times has steps that differ: give --fs HZ")
    # The mean over the whole is finer than one step, whose digits are few; a rate that is whole within what
    # is left of their rounding was meant whole.
    rate = len(steps) / float(times[-1] - times[0])
    return float(round(rate)) if abs(rate - round(rate)) <= rate * (1e-6 + 2 * wrong / (len(steps) * step)) else rate


def _ecg(values: NDArray[np.float64], columns: list[tuple[str, str]], rate: float) -> Ecg:
    converted = [millivolts(unit) for _, unit in columns]
    factors = np.array([factor if factor is not None else 1.0 for factor, _ in converted])
    with np.errstate(over="ignore"):
        # What no float32 holds becomes infinite: a sample that is not there.
        signal = np.ascontiguousarray(values * factors[:, None], np.float32)

    def read(start: int, stop: int) -> NDArray[np.float32]:
        return signal[:, start:stop]

    units = [unit for _, unit in converted]
    said: dict[str, Any] = {"units": "not named for every lead"} if "unknown" in units else {}
    leads = [canonical_lead(name) for name, _ in columns]
    return Ecg(format="csv", fs=rate, leads=leads, units=units, samples=signal.shape[1], read=read, said=said)

"""fMRIPrep's table of confounds (`*_desc-confounds_timeseries.tsv`), one row a volume."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.registry import SERIES, check_kind
from medpipe.formats.sniff import sniff

_ABSENT = ("n/a", "", "NaN", "nan")


@dataclass(frozen=True, slots=True)
class Confounds:
    """The table.

    Args:
        names: of the columns.
        values: [time, columns], NaN where there is no value.
        masks: of CompCor components, from the JSON file beside the table.
    """

    names: list[str]
    values: NDArray[np.float64]
    masks: dict[str, str]

    def columns(self, names: list[str], first: int) -> NDArray[np.float64]:
        """These columns from volume `first` on, [time, n]; their means where the first rows have no value.

        Differences have none at the first volume. Raises FormatError for a gap anywhere else.
        """
        chosen = self.values[first:, [self.names.index(name) for name in names]]
        absent = ~np.isfinite(chosen)
        leading = np.logical_and.accumulate(absent, axis=0)
        gaps: NDArray[np.bool_] = np.asarray((absent & ~leading).any(axis=0) | leading.all(axis=0))
        if gaps.any():
            named = ", ".join(name for name, gap in zip(names, gaps, strict=True) if gap)
            raise FormatError("bad-confounds", f"the confounds have no number in some rows of {named}")
        means = np.nansum(chosen, axis=0) / (~absent).sum(axis=0)
        return np.where(absent, means, chosen)


def read_confounds(path: str) -> Confounds:
    """The table in a file. FormatError when it is missing or is no table of numbers."""
    kind = sniff(path)
    # A table has no mark of its own: only what is surely something else is refused.
    if kind not in ("csv", "unknown"):
        check_kind(kind, SERIES)
        raise FormatError("bad-confounds", "the confounds are no table of tab-separated numbers")
    try:
        content = Path(path).read_bytes()
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise FormatError("bad-confounds", "the confounds are text in UTF-16: save the table as UTF-8")
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise FormatError("bad-confounds", "the confounds are no table of tab-separated numbers") from None
    names = lines[0].split("\t") if lines else []
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    if len(set(names)) != len(names) or not rows:
        raise FormatError("bad-confounds", "the confounds need a line of different names, then one row for each volume")
    try:
        values = np.array([[_number(cell) for cell in row] for row in rows])
    except ValueError:
        raise FormatError("bad-confounds", "the confounds hold rows of different lengths, or words") from None
    if values.ndim != 2 or values.shape[1] != len(names):
        raise FormatError("bad-confounds", f"the confounds name {len(names)} columns, their rows hold others")
    return Confounds(names, values, _masks(Path(path).with_suffix(".json")))


def _number(cell: str) -> float:
    return np.nan if cell.strip() in _ABSENT else float(cell)


def _masks(sidecar: Path) -> dict[str, str]:
    try:
        facts: Any = orjson.loads(sidecar.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    items = facts.items() if isinstance(facts, dict) else ()
    return {name: str(one["Mask"]) for name, one in items if isinstance(one, dict) and "Mask" in one}

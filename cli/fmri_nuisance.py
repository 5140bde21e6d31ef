"""Which volumes of a run are kept, and the confounds that go with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.scrubbing import framewise_displacement
from medpipe.core.fmri.strategy import strategy_columns
from medpipe.formats.bids_derivatives import confounds_of
from medpipe.formats.confounds import Confounds, read_confounds
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.series import Series

_DISPLACEMENT = "framewise_displacement"


@dataclass(frozen=True, slots=True)
class Nuisance:
    """What is left out of every run, and taken out of it.

    Args:
        table: the confounds given; with `siblings` each run has its own beside it, as BIDS derivatives have them.
        strategy: which columns of it.
        drop: volumes left out at the beginning.
        scrub: framewise displacement above which a volume is left out, mm.
        siblings: see `table`.
    """

    table: Confounds | None = None
    strategy: str | None = None
    drop: int = 0
    scrub: float | None = None
    siblings: bool = False

    def of(self, series: Series) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None, Record]:
        """Which volumes after the dropped ones are kept, their confounds [time, n], and what the record says."""
        count = series.count - self.drop
        if count < 1:
            raise InputError("too-short", f"the run has {series.count} volumes, {self.drop} are dropped: none is left")
        keep, columns, facts = np.ones(count, bool), None, {}
        table = self._table(series.path)
        if table is not None:
            _check_length(len(table.values), series.count)
            if self.scrub is not None:
                keep = _displacement(table)[self.drop :] <= self.scrub
            if not keep.any():
                raise InputError("too-short", f"every volume moves more than {self.scrub:g} mm: none is left")
            if self.strategy is not None:
                names = strategy_columns(self.strategy, table.names, table.masks)
                columns, facts = table.columns(names, self.drop), {"confounds": names}
        volumes = {"total": series.count, "dropped": self.drop, "scrubbed": int((~keep).sum()), "kept": int(keep.sum())}
        return keep, columns, {"volumes": volumes, **facts}

    def _table(self, path: str) -> Confounds | None:
        if self.strategy is None and self.scrub is None:
            return None
        return read_confounds(confounds_of(path)) if self.siblings and self.table is None else self.table


def _check_length(rows: int, volumes: int) -> None:
    if rows != volumes:
        side, count = ("image", rows - volumes) if rows > volumes else ("table", volumes - rows)
        raise FormatError(
            "length-mismatch", f"the confounds have {rows} rows, the image {volumes} volumes: the {side} lacks {count}"
        )


def _displacement(table: Confounds) -> NDArray[np.float64]:
    """Framewise displacement, mm, as the table has it, else from its six parameters."""
    if _DISPLACEMENT in table.names:
        # The first volume has none before it.
        return np.concatenate([[0.0], table.columns([_DISPLACEMENT], 1)[:, 0]])
    return framewise_displacement(table.columns(strategy_columns("6p", table.names, {}), 0))

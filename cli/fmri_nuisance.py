"""Which volumes of a run are kept, and the confounds that go with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.fmri_side_inputs import SideInputs
from medpipe.cli.fmri_treatment import Treatment, told
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
    """What of a treatment needs the table of confounds, or decides which volumes are left."""

    treatment: Treatment
    side: SideInputs

    def of(self, series: Series) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None, Record]:
        """Which volumes after the dropped ones are kept, their confounds [time, n], and what the record says."""
        drop, scrub, strategy = self.treatment.drop, self.treatment.scrub, self.treatment.strategy
        count = series.count - drop
        if count < 1:
            raise InputError("too-short", f"the run has {series.count} volumes, {drop} are dropped: none is left")
        keep, columns, facts = np.ones(count, bool), None, {}
        table = self._table(series.path)
        if table is not None:
            _check_length(len(table.values), series.count)
            if scrub is not None:
                keep = _displacement(table)[drop:] <= scrub
            if keep.sum() < min(count, 2):
                raise InputError(
                    "too-short", f"--scrub {scrub:g} leaves {keep.sum()} of {count} volumes: the others move more"
                )
            if strategy is not None:
                names = strategy_columns(strategy, table.names, table.masks)
                columns, facts = table.columns(names, drop), {"confounds": names}
        volumes = {"total": series.count, "dropped": drop, "scrubbed": int((~keep).sum()), "kept": int(keep.sum())}
        return keep, columns, {"volumes": volumes, **facts}

    def _table(self, path: str) -> Confounds | None:
        if self.treatment.strategy is None and self.treatment.scrub is None:
            return None
        if self.side.table is not None:
            return self.side.table
        if not self.side.siblings:
            raise InputError("no-confounds", f"{told(self.treatment.said())}: confounds are needed, give --confounds")
        return read_confounds(confounds_of(path))


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

"""What lies beside runs of functional images, read and checked before any output."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import typer

from medpipe.cli.exits import side_failure
from medpipe.cli.fmri_scan_options import ScanOptions
from medpipe.cli.options import RunOptions
from medpipe.core.errors import InputError
from medpipe.core.fmri.strategy import strategy_columns
from medpipe.formats.bids_derivatives import Wanted, find_runs
from medpipe.formats.confounds import Confounds, read_confounds
from medpipe.formats.errors import FormatError
from medpipe.formats.volume_mask import Grid, read_atlas, read_mask

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class SideInputs:
    """Grids and a table of confounds; with `siblings` masks and tables that are not given lie beside each run."""

    mask: Grid | None = None
    atlas: Grid | None = None
    table: Confounds | None = None
    siblings: bool = False

    def digests(self) -> dict[str, str | None]:
        """What stands for them in a run's options: what files hold decides, not where they lie."""
        grids = {"mask": self.mask, "labels": self.atlas}
        found = {name: None if grid is None else grid.digest() for name, grid in grids.items()}
        return {**found, "confounds": _digest(self.table)}


def side_inputs(run: RunOptions, given: ScanOptions, strategy: str | None = None) -> SideInputs:
    """Read them, and put the runs of --bids among the inputs; Fatal 65 or 66 for what cannot be used.

    With `strategy` the table of confounds is checked for its columns.
    """
    if given.bids is not None:
        if run.inputs or run.files_from is not None:
            raise typer.BadParameter("--bids finds the runs: give no other inputs")
        run.inputs = _side(given.bids, lambda: find_runs(str(given.bids), _wanted(given)))
    one = len(run.inputs or []) == 1 and run.inputs != ["-"]
    if given.confounds is not None and not one:
        raise typer.BadParameter("--confounds is the table of one run: give one image, or --bids")
    mask = None if given.mask is None else _side(given.mask, lambda: read_mask(str(given.mask)))
    atlas = None if given.labels is None else _side(given.labels, lambda: read_atlas(str(given.labels)))
    table = None if given.confounds is None else _side(given.confounds, lambda: _table(str(given.confounds), strategy))
    return SideInputs(mask, atlas, table, given.bids is not None)


def _wanted(given: ScanOptions) -> Wanted:
    return Wanted(str(given.subject), given.task, given.session, given.run, given.space)


def _side(name: str, read: Callable[[], Found]) -> Found:
    try:
        return read()
    except (FormatError, InputError) as error:
        raise side_failure(name, error) from None


def _table(path: str, strategy: str | None) -> Confounds:
    table = read_confounds(path)
    if strategy is not None:
        strategy_columns(strategy, table.names, table.masks)
    return table


def _digest(table: Confounds | None) -> str | None:
    return None if table is None else hashlib.sha256(table.values.tobytes() + repr(table.names).encode()).hexdigest()

"""From the options of fmri-extract to its run: side inputs read and checked before any output."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from medpipe.cli.exits import side_failure
from medpipe.cli.fmri_extraction import Extraction
from medpipe.cli.fmri_nuisance import Nuisance
from medpipe.cli.fmri_places import PlaceOptions
from medpipe.cli.fmri_runs import RunFile, RunFolder
from medpipe.cli.options import RunOptions, parse_shard
from medpipe.cli.process import one_by_one
from medpipe.cli.runner import Job, run_job
from medpipe.core.errors import InputError
from medpipe.core.fmri.cleaning import CleanOptions
from medpipe.core.fmri.detrend import Drift
from medpipe.core.fmri.strategy import strategy_columns
from medpipe.formats.bids_derivatives import Wanted, find_runs
from medpipe.formats.confounds import Confounds, read_confounds
from medpipe.formats.errors import FormatError
from medpipe.formats.registry import ReadOptions
from medpipe.formats.volume_mask import read_atlas, read_mask

Found = TypeVar("Found")
_HDF5 = (".h5", ".hdf5", ".hf5")


@dataclass(frozen=True, slots=True)
class Given:
    """The options as the user gave them."""

    mask: str | None
    labels: str | None
    confounds: str | None
    strategy: str | None
    drop: int
    scrub: float | None
    detrend: tuple[str, ...]
    low_pass: float | None
    zscore: bool
    fwhm: float | None
    tr: float | None
    bad_voxels: str
    bids: str | None
    subject: str | None
    task: str | None
    session: str | None
    run: str | None
    space: str | None


def extract(command: str, run: RunOptions, given: Given) -> int:
    """Run it; the exit code. Raises BadParameter, and Fatal 65 or 66 for a side input that cannot be used."""
    clean = CleanOptions(_drifts(given.detrend), given.low_pass, given.zscore)
    if given.bids is not None:
        run.inputs = _side(given.bids, lambda: find_runs(str(given.bids), _wanted(given)))
    _check_inputs(run, given)
    mask = None if given.mask is None else _side(given.mask, lambda: read_mask(str(given.mask)))
    atlas = None if given.labels is None else _side(given.labels, lambda: read_atlas(str(given.labels)))
    table = None if given.confounds is None else _side(given.confounds, lambda: _table(given))
    store = _store(run)
    nuisance = Nuisance(table, given.strategy, given.drop, given.scrub, given.bids is not None)
    extraction = Extraction(
        command, PlaceOptions(mask, atlas, given.fwhm), clean, nuisance, given.tr,
        float("nan") if given.bad_voxels == "nan" else 0.0, given.bids is not None, store, run.quiet,
    )  # fmt: skip
    results = {key: value for key, value in asdict(given).items() if key not in ("mask", "labels", "confounds", "bids")}
    # What files hold decides, not where they lie.
    results |= {"mask": mask and mask.digest(), "labels": atlas and atlas.digest(), "confounds": _digest(table)}
    job = Job(command, run, lambda: (one_by_one(extraction), ""), results, read=ReadOptions(series=True))
    job.target = None if store is None else store.target()
    return run_job(job)


def _drifts(texts: tuple[str, ...]) -> tuple[Drift, ...]:
    try:
        drifts = tuple(map(Drift.parse, texts))
    except ValueError as error:
        raise typer.BadParameter(f"--detrend {error}") from None
    if len({one.kind for one in drifts}) < len(drifts):
        raise typer.BadParameter("--detrend: each way once")
    return drifts


def _wanted(given: Given) -> Wanted:
    return Wanted(str(given.subject), given.task, given.session, given.run, given.space)


def _side(name: str, read: Callable[[], Found]) -> Found:
    try:
        return read()
    except (FormatError, InputError) as error:
        raise side_failure(name, error) from None


def _table(given: Given) -> Confounds:
    table = read_confounds(str(given.confounds))
    if given.strategy is not None:
        strategy_columns(given.strategy, table.names, table.masks)
    return table


def _digest(table: Confounds | None) -> str | None:
    return None if table is None else hashlib.sha256(table.values.tobytes() + repr(table.names).encode()).hexdigest()


def _check_inputs(run: RunOptions, given: Given) -> None:
    inputs = run.inputs or []
    folders = [name for name in inputs if name != "-" and Path(name).is_dir()]
    if folders:
        raise typer.BadParameter(f"{folders[0]} is a folder: give images, or --bids FOLDER --subject LABEL")
    one = len(inputs) == 1 and inputs != ["-"]
    if given.confounds is not None and not one:
        raise typer.BadParameter("--confounds is the table of one run: give one image, or --bids")
    if Path(run.output).suffix in _HDF5 and not one:
        raise typer.BadParameter("-o FILE.h5 holds one run: give one image, or -o FOLDER/ for several")


def _store(run: RunOptions) -> Any:
    if run.output != "-" and Path(run.output).suffix in _HDF5:
        return RunFile(Path(run.output))
    if run.output != "-" and (run.output.endswith("/") or Path(run.output).is_dir()):
        return RunFolder(Path(run.output), None if run.shard is None else parse_shard(run.shard))
    return None

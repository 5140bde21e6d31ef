"""From the options of fmri-extract to its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from medpipe.cli.fmri_extraction import Extraction
from medpipe.cli.fmri_runs import RunFile, RunFolder
from medpipe.cli.fmri_scan_options import ScanOptions
from medpipe.cli.fmri_side_inputs import side_inputs
from medpipe.cli.fmri_treatment import Treatment
from medpipe.cli.options import RunOptions, parse_shard
from medpipe.cli.process import one_by_one
from medpipe.cli.runner import Job, run_job
from medpipe.formats.registry import ReadOptions

_HDF5 = (".h5", ".hdf5", ".hf5")


def extract(command: str, run: RunOptions, given: ScanOptions, treatment: Treatment) -> int:
    """Run it; the exit code. Raises BadParameter, and Fatal 65 or 66 for a side input that cannot be used."""
    _check_drifts(treatment)
    side = side_inputs(run, given, treatment.strategy)
    if Path(run.output).suffix in _HDF5 and (len(run.inputs or []) != 1 or run.inputs == ["-"]):
        raise typer.BadParameter("-o FILE.h5 holds one run: give one image, or -o FOLDER/ for several")
    store = _store(run)
    extraction = Extraction(command, treatment, side, given.tr, store, run.quiet)
    results = {"cleaning": treatment.said(), "tr": given.tr, "bids": given.bids is not None, **side.digests()}
    job = Job(command, run, lambda: (one_by_one(extraction), ""), results, read=ReadOptions(series=True))
    job.target = None if store is None else store.target()
    return run_job(job)


def _check_drifts(treatment: Treatment) -> None:
    try:
        drifts = treatment.clean.drifts
    except ValueError as error:
        raise typer.BadParameter(f"--detrend {error}") from None
    if len({one.kind for one in drifts}) < len(drifts):
        raise typer.BadParameter("--detrend: each way once")


def _store(run: RunOptions) -> Any:
    if run.output != "-" and Path(run.output).suffix in _HDF5:
        return RunFile(Path(run.output))
    if run.output != "-" and (run.output.endswith("/") or Path(run.output).is_dir()):
        return RunFolder(Path(run.output), None if run.shard is None else parse_shard(run.shard))
    return None

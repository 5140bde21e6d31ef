"""fmri-extract: responses of voxels from runs of functional images."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from medpipe.cli import fmri_scan_options as scan
from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions, check_finite

NAME = "fmri-extract"


class BadVoxels(StrEnum):
    """What stands in place of voxels that say nothing."""

    zero = "zero"
    nan = "nan"


def fmri_extract(
    run: RunOptions,
    mask: scan.Mask = None,
    labels: scan.Labels = None,
    confounds: scan.ConfoundsFile = None,
    strategy: Annotated[
        str | None,
        typer.Option("--strategy", metavar="NAMES", help="Taken out: 6p, 24p, acompcor:N, columns, commas between."),
    ] = None,
    drop: Annotated[int, typer.Option("--drop", metavar="N", min=0, help="Leave out the first N volumes.")] = 0,
    scrub: Annotated[
        float | None,
        typer.Option("--scrub", metavar="MM", min=0, help="Leave out volumes with more framewise displacement."),
    ] = None,
    detrend: Annotated[
        list[str] | None,
        typer.Option("--detrend", metavar="HOW", help="poly:ORDER, cosine:SECONDS, sg:SECONDS; repeatable."),
    ] = None,
    low_pass: Annotated[
        float | None, typer.Option("--low-pass", metavar="HZ", min=0.0001, help="Take out what is faster.")
    ] = None,
    zscore: Annotated[bool, typer.Option("--zscore", help="Mean 0, standard deviation 1, for every voxel.")] = False,
    fwhm: Annotated[
        float | None, typer.Option("--fwhm", metavar="MM", min=0.001, help="Smooth volumes by a Gaussian first.")
    ] = None,
    tr: scan.Tr = None,
    bad_voxels: Annotated[
        BadVoxels,
        typer.Option("--bad-voxels", help="What stands for voxels with NaN in them, and for constant ones if cleaned."),
    ] = BadVoxels.zero,
    bids: scan.Bids = None,
    subject: scan.Subject = None,
    task: scan.Task = None,
    session: scan.Session = None,
    run_label: scan.RunLabel = None,
    space: scan.Space = None,
    to_nifti: Annotated[
        str | None, typer.Option("--to-nifti", metavar="FILE", help="The way back: a run file to .nii or .nii.gz.")
    ] = None,
) -> int:
    """Extract responses [time, voxels] from 4D NIfTI, CIFTI dense series or GIFTI, and clean them.

    -o RUN.h5 writes the responses of one run, with affine, voxels, TR and the mask's digest; -o FOLDER/ a file for
    each run and an index of them; other outputs are lines. Volumes are read one by one and cleaned a few voxels at a
    time, so that memory does not grow with their number. Polynomials are taken out first, of the confounds too, then
    what --detrend sg and --low-pass stop, then cosines and confounds together.
    """
    if to_nifti is not None:
        from medpipe.cli.fmri_back import to_nifti as write_back

        return write_back(run, to_nifti)
    for option, value in (("--scrub", scrub), ("--low-pass", low_pass), ("--fwhm", fwhm), ("--tr", tr)):
        check_finite(option, value)
    given = scan.ScanOptions(mask, labels, confounds, tr, bids, subject, task, session, run_label, space)
    given.check()
    if (strategy is not None or scrub is not None) and confounds is None and bids is None:
        raise typer.BadParameter("--strategy and --scrub need --confounds")
    if confounds is not None and strategy is None and scrub is None:
        raise typer.BadParameter("--confounds goes with --strategy or --scrub, which say what it is for")
    from medpipe.cli.fmri_setup import extract
    from medpipe.cli.fmri_treatment import Treatment

    treatment = Treatment(drop, fwhm, strategy, scrub, tuple(detrend or ()), low_pass, zscore, str(bad_voxels))
    return extract(NAME, run, given, treatment)


app = record_command(NAME, fmri_extract)


def run() -> None:
    """The executable."""
    execute(app, NAME)

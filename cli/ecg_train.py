"""ecg-train: pre-training of an ECG encoder on recordings and their reports."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli.command import execute, plain_command
from medpipe.cli.options import split_names
from medpipe.cli.train_options import TrainingOptions, Workers

NAME = "ecg-train"


def ecg_train(
    training: TrainingOptions,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Recordings, folders of them, HDF5 record files.", show_default=False),
    ] = None,
    objective: Annotated[
        str, typer.Option("--objective", metavar="NAME", help="merl, kmerl or supreme: the preset of that name.")
    ] = ...,  # type: ignore[assignment]
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="Another preset: merl-lead-dropout, supreme-own, ..."),
    ] = None,
    files_from: Annotated[
        str | None, typer.Option("--files-from", metavar="FILE", help="Read the recordings' paths from FILE.")
    ] = None,
    reports: Annotated[
        str | None, typer.Option("--reports", metavar="FILE", help="CSV or JSON Lines with the reports, patients.")
    ] = None,
    report: Annotated[
        list[str] | None, typer.Option("--report", metavar="NAMES", help="Columns of the text, joined; NAME* too.")
    ] = None,
    key: Annotated[
        str, typer.Option("--key", metavar="NAME", help="Column of --reports with the recordings' names or paths.")
    ] = "id",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Column of patients: none is on both sides.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option("--targets", metavar="FILE.h5", help="From ecg-entities targets, ids as --key.")
    ] = None,
    text_model: Annotated[
        str | None,
        typer.Option("--text-model", metavar="NAME", help="Frozen text encoder: default, a folder, a hub name."),
    ] = None,
    missing: Annotated[
        str, typer.Option("--missing", metavar="error|zero", help="Recordings without all leads, for MERL.")
    ] = "error",
    workers: Workers = 1,
) -> int:
    """Pre-train an ECG encoder: MERL, K-MERL or SuPreME, by the papers' settings or your own.

    Recordings and the rows of --reports and --targets meet by name, whatever folder they are in. FOLDER gets
    best.safetensors and last.safetensors with model.json, metrics.jsonl, curves.png and the state that --resume
    goes on from. Best is chosen on validation, which shares no patient with training (--by). Several processes:
    torchrun --nproc-per-node 4 --no-python ecg-train ...
    """
    if missing not in ("error", "zero"):
        raise typer.BadParameter(f"--missing {missing}: it is error or zero")
    from medpipe.cli.training import TrainRun, train

    run = TrainRun(
        inputs=inputs or [], files_from=files_from, objective=objective, preset=preset, changes=training.settings(),
        reports=reports, report=split_names(report) or ["report"], key=key, by=by, targets=targets,
        text_model=text_model, missing=missing, workers=workers, loop=training,
    )  # fmt: skip
    return train(NAME, run)


app = plain_command(NAME, ecg_train)


def run() -> None:
    """The executable."""
    execute(app, NAME)

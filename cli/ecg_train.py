"""ecg-train: pre-training of an ECG encoder on recordings and their reports."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli import train_options
from medpipe.cli.command import execute, plain_command
from medpipe.cli.options import split_names

NAME = "ecg-train"


def ecg_train(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Recordings, folders of them, HDF5 record files.", show_default=False),
    ] = None,
    output: train_options.Output = ...,  # type: ignore[assignment]
    objective: Annotated[
        str, typer.Option("--objective", metavar="NAME", help="merl, kmerl or supreme: the preset of that name.")
    ] = ...,  # type: ignore[assignment]
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="Another preset: merl-lead-dropout, supreme-own, ..."),
    ] = None,
    changes: train_options.Changes = None,
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
    epochs: train_options.Epochs = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", min=2, help="Of one process.")] = None,
    seed: train_options.Seed = None,
    max_steps: train_options.MaxSteps = None,
    workers: train_options.Workers = 1,
    device: train_options.Device = "cpu",
    threads: train_options.Threads = None,
    compile_it: train_options.Compile = False,
    checkpoint_every: train_options.CheckpointEvery = None,
    resume: train_options.Resume = False,
    quiet: train_options.Quiet = False,
) -> int:
    """Pre-train an ECG encoder: MERL, K-MERL or SuPreME, by the papers' settings or your own.

    Recordings and the rows of --reports and --targets meet by name, whatever folder they are in. FOLDER gets
    best.safetensors and last.safetensors with model.json, metrics.jsonl, curves.png and the state that --resume
    goes on from. Best is chosen on validation, which shares no patient with training (--by). Several processes:
    torchrun --nproc-per-node 4 --no-python ecg-train ...
    """
    if resume and max_steps == 0:
        raise typer.BadParameter("--max-steps is from 1 on")
    if missing not in ("error", "zero"):
        raise typer.BadParameter(f"--missing {missing}: it is error or zero")
    from medpipe.cli.training import TrainRun, train
    from medpipe.cli.training_loop import LoopOptions

    return train(
        NAME,
        TrainRun(
            inputs=inputs or [],
            files_from=files_from,
            objective=objective,
            preset=preset,
            changes=train_options.changed(changes, epochs=epochs, batch=batch_size, seed=seed),
            reports=reports,
            report=split_names(report) or ["report"],
            key=key,
            by=by,
            targets=targets,
            text_model=text_model,
            missing=missing,
            workers=workers,
            loop=LoopOptions(
                output=output,
                max_steps=max_steps,
                device=device,
                threads=threads,
                compile=compile_it,
                checkpoint_every=checkpoint_every,
                validate_every=None,
                resume=resume,
                quiet=quiet,
            ),
        ),
    )


app = plain_command(NAME, ecg_train)


def run() -> None:
    """The executable."""
    execute(app, NAME)

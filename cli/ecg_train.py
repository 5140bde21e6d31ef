"""ecg-train: pre-training of an ECG encoder on recordings and their reports."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli.command import execute, plain_command
from medpipe.cli.options import split_names

NAME = "ecg-train"


def ecg_train(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Recordings, folders of them, HDF5 record files.", show_default=False),
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="The trained model, its metrics and its state.")
    ] = ...,  # type: ignore[assignment]
    objective: Annotated[
        str, typer.Option("--objective", metavar="NAME", help="merl, kmerl or supreme: the preset of that name.")
    ] = ...,  # type: ignore[assignment]
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="Another preset: merl-lead-dropout, supreme-own, ..."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value of one of the preset's settings; repeatable."),
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
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Another number.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", min=2, help="Of one process.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Another seed.")] = None,
    max_steps: Annotated[int | None, typer.Option("--max-steps", metavar="N", min=1, help="End after so many.")] = None,
    workers: Annotated[
        int, typer.Option("-j", "--jobs", metavar="N", min=0, help="Processes that read; 0 reads in this one.")
    ] = 1,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="Of torch on a CPU. Default: all cores.")
    ] = None,
    compile_it: Annotated[bool, typer.Option("--compile", help="Run the encoder through torch.compile.")] = False,
    checkpoint_every: Annotated[
        int | None,
        typer.Option("--checkpoint-every", metavar="N", min=1, help="Steps between states. Default: every epoch."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no messages but fatal ones.")] = False,
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

    given = {"epochs": epochs, "batch": batch_size, "seed": seed}
    return train(
        NAME,
        TrainRun(
            inputs=inputs or [],
            files_from=files_from,
            objective=objective,
            preset=preset,
            changes=[*(changes or []), *(f"{name}={value}" for name, value in given.items() if value is not None)],
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

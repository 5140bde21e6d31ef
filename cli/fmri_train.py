"""fmri-train: prompts learnt from windows of responses and the words that were heard."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from medpipe.cli.command import execute, plain_command
from medpipe.cli.train_options import TrainingOptions

NAME = "fmri-train"


class Stage(StrEnum):
    """What is learnt: one of the prompts, or linear models."""

    text = "text"
    brain = "brain"
    ridge = "ridge"


def fmri_train(
    training: TrainingOptions,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="WINDOWS", help="Streams of fmri-align.", show_default=False)
    ] = None,
    stage: Annotated[
        Stage, typer.Option("--stage", help="text first, without responses, then brain; or ridge, the baseline.")
    ] = ...,  # type: ignore[assignment]
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", metavar="NAME", help="bp-gpt, bp-gpt-released, bp-gpt-fixed (default); of ridge tang."
        ),
    ] = None,
    lm: Annotated[
        str | None,
        typer.Option(
            "--lm",
            metavar="NAME",
            help="Language model: a folder, a hub name, or small. Default: openai-community/gpt2, of ridge openai-gpt.",
        ),
    ] = None,
    bert: Annotated[
        str | None,
        typer.Option(
            "--bert", metavar="NAME", help="Encoder of texts, likewise. Default: google-bert/bert-base-uncased."
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", metavar="FOLDER", help="Of --stage text, which brain goes on from; for ridge its model."
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="FILE", help="Windows whose stories must not be learnt from; repeatable."),
    ] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", metavar="FILE", help="Names of the stories that choose, one a line.")
    ] = None,
    files_from: Annotated[
        str | None, typer.Option("--files-from", metavar="FILE", help="Read the streams' paths from FILE.")
    ] = None,
) -> int:
    """Train BP-GPT: a language model that writes what was heard behind a prompt of vectors. Or fit its baseline.

    The text stage learns the prompt of a text, and the language model with it; the brain stage an encoder of responses,
    pulled to that prompt. FOLDER gets best/, chosen on whole stories held out, and last/, which fmri-decode --model
    FOLDER opens, with metrics.jsonl, curves.png and the state that --resume goes on from. Several processes: torchrun
    --nproc-per-node 4 --no-python fmri-train ...

    --stage ridge fits linear models (Tang et al. 2023) to whole stories, of windows without a lag: encoding of the word
    vectors of the language model with delays of 1 to 4 volumes, decoding, and the number of words. Words lie evenly in
    their volumes. FOLDER gets the models; metrics.jsonl scores stories that were held out.
    """
    from medpipe.cli.fmri_training import FmriRun, train

    ridge = stage is Stage.ridge
    run = FmriRun(
        inputs=inputs or [], files_from=files_from, stage=str(stage),
        preset=preset or ("tang" if ridge else "bp-gpt-fixed"),
        changes=training.settings(), lm=lm, bert=bert,
        text=text, test=test or [], validation=validation, loop=training,
    )  # fmt: skip
    if not ridge:
        return train(NAME, run)
    from medpipe.cli.fmri_ridge_training import train_ridge

    given = {
        "--bert": bert, "--epochs": training.epochs, "--batch-size": training.batch_size,
        "--max-steps": training.max_steps, "--resume": training.resume, "--validate-every": training.validate_every,
        "--checkpoint-every": training.checkpoint_every, "--compile": training.compile,
    }  # fmt: skip
    return train_ridge(NAME, run, [name for name, value in given.items() if value])


app = plain_command(NAME, fmri_train)


def run() -> None:
    """The executable."""
    execute(app, NAME)

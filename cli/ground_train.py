"""ground-train: fine-tuning of a grounding model on pictures and boxes."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli import train_options
from medpipe.cli.command import execute, plain_command
from medpipe.cli.image_options import SliceOf, Voi, read_options
from medpipe.cli.options import split_names

NAME = "ground-train"


def ground_train(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Pictures, folders of them, image records.", show_default=False),
    ] = None,
    boxes: Annotated[
        str, typer.Option("--boxes", metavar="FILE", help="COCO, VinDr CSV, VOC file or folder, records with boxes.")
    ] = ...,  # type: ignore[assignment]
    output: train_options.Output = ...,  # type: ignore[assignment]
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME", help="A folder, a hub name, or untrained: small, base, large."),
    ] = "small",
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="ground, ground-lora, ag-kd; untrained models ground-small."),
    ] = None,
    changes: train_options.Changes = None,
    labels: Annotated[
        list[str] | None, typer.Option("--labels", metavar="NAMES", help="Learn only these. Default: all in --boxes.")
    ] = None,
    knowledge: Annotated[
        str | None,
        typer.Option("--knowledge", metavar="FILE", help="Own descriptions: YAML of finding to sentence."),
    ] = None,
    described: Annotated[
        bool, typer.Option("--described/--no-knowledge", help="Ask with descriptions, or by names alone.")
    ] = True,
    validation: Annotated[
        str | None, typer.Option("--validation", metavar="FILE", help="Names of the pictures that choose, one a line.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="KEY", help="Key of the records: none of its values is on both sides.")
    ] = None,
    files_from: Annotated[
        str | None, typer.Option("--files-from", metavar="FILE", help="Read the pictures' paths from FILE.")
    ] = None,
    voi: Voi = "file",
    slice_of: SliceOf = None,
    epochs: train_options.Epochs = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", min=1, help="Of one process.")] = None,
    seed: train_options.Seed = None,
    max_steps: train_options.MaxSteps = None,
    validate_every: Annotated[
        int | None, typer.Option("--validate-every", metavar="N", min=1, help="Steps between. Default: every epoch.")
    ] = None,
    workers: train_options.Workers = 1,
    device: train_options.Device = "cpu",
    threads: train_options.Threads = None,
    compile_it: train_options.Compile = False,
    checkpoint_every: train_options.CheckpointEvery = None,
    resume: train_options.Resume = False,
    quiet: train_options.Quiet = False,
) -> int:
    """Train a model of Florence-2's class to box findings, with what is there and what is not.

    Pictures and boxes meet by name, whatever folder they are in; a picture that --boxes names without a box is one
    that has nothing. FOLDER gets best/, chosen on pictures held out, and last/, which `ground --model FOLDER` and
    transformers open, with metrics.jsonl, curves.png and the state that --resume goes on from. Several processes:
    torchrun --nproc-per-node 4 --no-python ground-train ...
    """
    if knowledge is not None and not described:
        raise typer.BadParameter("--knowledge goes without --no-knowledge")
    from medpipe.cli.grounding_training import GroundRun, train
    from medpipe.cli.training_loop import LoopOptions

    loop = LoopOptions(
        output=output, max_steps=max_steps, device=device, threads=threads, compile=compile_it,
        checkpoint_every=checkpoint_every, validate_every=validate_every, resume=resume, quiet=quiet,
    )  # fmt: skip
    return train(
        NAME,
        GroundRun(
            inputs=inputs or [], files_from=files_from, boxes=boxes, labels=split_names(labels), model=model,
            preset=preset,
            changes=train_options.changed(changes, epochs=epochs, batch=batch_size, seed=seed),
            knowledge=knowledge, described=described, validation=validation, by=by,
            read=read_options(None, voi, slice_of), workers=workers, loop=loop,
        ),
    )  # fmt: skip


app = plain_command(NAME, ground_train)


def run() -> None:
    """The executable."""
    execute(app, NAME)

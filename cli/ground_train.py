"""ground-train: fine-tuning of a grounding model on pictures and boxes."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli.command import execute, plain_command
from medpipe.cli.image_options import SliceOf, Voi, read_options
from medpipe.cli.options import split_names
from medpipe.cli.train_options import TrainingOptions, Workers

NAME = "ground-train"


def ground_train(
    training: TrainingOptions,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Pictures, folders of them, image records.", show_default=False),
    ] = None,
    boxes: Annotated[
        str, typer.Option("--boxes", metavar="FILE", help="COCO, VinDr CSV, VOC file or folder, records with boxes.")
    ] = ...,  # type: ignore[assignment]
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME", help="A folder, a hub name, or untrained: small, base, large."),
    ] = "small",
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="ground, ground-lora, ag-kd; untrained models ground-small."),
    ] = None,
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
    workers: Workers = 1,
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

    run = GroundRun(
        inputs=inputs or [], files_from=files_from, boxes=boxes, labels=split_names(labels), model=model,
        preset=preset, changes=training.settings(), knowledge=knowledge, described=described, validation=validation,
        by=by, read=read_options(None, voi, slice_of), workers=workers, loop=training,
    )  # fmt: skip
    return train(NAME, run)


app = plain_command(NAME, ground_train)


def run() -> None:
    """The executable."""
    execute(app, NAME)

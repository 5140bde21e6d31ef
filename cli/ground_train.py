"""ground-train: fine-tuning of a grounding model on pictures and boxes."""

from __future__ import annotations

from typing import Annotated

import typer

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
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="The trained model, its metrics and its state.")
    ] = ...,  # type: ignore[assignment]
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME", help="A folder, a hub name, or untrained: small, base, large."),
    ] = "small",
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="ground, ground-lora, ground-small or ag-kd.")
    ] = "ground",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value of one of the preset's settings; repeatable."),
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
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Another number.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", min=1, help="Of one process.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Another seed.")] = None,
    max_steps: Annotated[int | None, typer.Option("--max-steps", metavar="N", min=1, help="End after so many.")] = None,
    validate_every: Annotated[
        int | None, typer.Option("--validate-every", metavar="N", min=1, help="Steps between. Default: every epoch.")
    ] = None,
    workers: Annotated[
        int, typer.Option("-j", "--jobs", metavar="N", min=0, help="Processes that read; 0 reads in this one.")
    ] = 1,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="Of torch on a CPU. Default: all cores.")
    ] = None,
    compile_it: Annotated[bool, typer.Option("--compile", help="Run the model through torch.compile.")] = False,
    checkpoint_every: Annotated[
        int | None,
        typer.Option("--checkpoint-every", metavar="N", min=1, help="Steps between states. Default: every epoch."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no messages but fatal ones.")] = False,
) -> int:
    """Train a model of Florence-2's class to box findings, with what is there and what is not.

    Pictures and boxes meet by name, whatever folder they are in; a picture that --boxes names without a box is one
    that has nothing. FOLDER gets best/ and last/, which `ground --model FOLDER` and transformers open, with
    metrics.jsonl, curves.png and the state that --resume goes on from. Several processes: torchrun
    --nproc-per-node 4 --no-python ground-train ...
    """
    if knowledge is not None and not described:
        raise typer.BadParameter("--knowledge goes without --no-knowledge")
    from medpipe.cli.grounding_training import GroundRun, train
    from medpipe.cli.training_loop import LoopOptions

    given = {"epochs": epochs, "batch": batch_size, "seed": seed}
    loop = LoopOptions(
        output=output, max_steps=max_steps, device=device, threads=threads, compile=compile_it,
        checkpoint_every=checkpoint_every, validate_every=validate_every, resume=resume, quiet=quiet,
    )  # fmt: skip
    return train(
        NAME,
        GroundRun(
            inputs=inputs or [], files_from=files_from, boxes=boxes, labels=split_names(labels), model=model,
            preset=preset,
            changes=[*(changes or []), *(f"{name}={value}" for name, value in given.items() if value is not None)],
            knowledge=knowledge, described=described, validation=validation, by=by,
            read=read_options(None, voi, slice_of), workers=workers, loop=loop,
        ),
    )  # fmt: skip


app = plain_command(NAME, ground_train)


def run() -> None:
    """The executable."""
    execute(app, NAME)

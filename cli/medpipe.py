"""medpipe: the list of commands, any of them by name, and the models."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from medpipe.cli.command import Body, command_group, execute

NAME = "medpipe"

COMMANDS = {
    "med-cat": ("med_cat", "recordings and record streams in; records, HDF5 or WFDB out"),
    "med-view": ("med_view", "a record in, a picture out: PNG, SVG or HTML"),
    "med-score": ("med_score", "predictions and truth in, metrics with confidence intervals out"),
    "ground": ("ground", "images and findings in, boxes out"),
    "ground-train": ("ground_train", "images with their boxes in, a grounding model of your own out"),
    "fmri-sim": ("fmri_sim", "simulated scans of listeners out, at a stated explainable variance"),
    "ecg-encode": ("ecg_encode", "ECG files or records in, embeddings out"),
    "ecg-zeroshot": ("ecg_zeroshot", "ECGs or embeddings in, scores of text queries out"),
    "ecg-probe": ("ecg_probe", "linear probing of a frozen encoder beside its baselines"),
    "ecg-benchmark": ("ecg_benchmark", "zero-shot evaluation on the six sets of MERL's protocol"),
    "ecg-train": ("ecg_train", "recordings with their reports in, an encoder of your own out"),
    "fmri-extract": ("fmri_extract", "scans and a mask in, cleaned responses out"),
    "fmri-align": ("fmri_align", "runs and the words heard in, windows with their text out"),
    "fmri-train": ("fmri_train", "windows in, a language model prompted by responses out"),
    "fmri-decode": ("fmri_decode", "windows of responses in, the text that was heard out"),
    "kv-profile": ("kv_profile", "requests of a multimodal model in; cache budgets and what they cost out"),
    "ecg-entities": ("ecg_entities", "reports in, cardiac entities out; vocabulary and training targets"),
}


def list_models() -> int:
    """List the known checkpoints and your own: whether they are there, and where they are to be had."""
    from medpipe.cli.models import show

    return show()


def verify_models(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Default: all that are there.")] = None,
) -> int:
    """Read checkpoints to their end and compare their sha256 with the one on record."""
    from medpipe.cli.models import verify

    return verify(names or [])


def fetch_model(name: Annotated[str, typer.Argument(metavar="NAME", help="A checkpoint with a known address.")]) -> int:
    """Fetch a checkpoint with a known address and digest."""
    from medpipe.cli.models import fetch

    return fetch(name)


def add_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What --model will call it.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="The checkpoint's file or folder.")],
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="NAME", help="Its architecture: merl-resnet18, ...")
    ] = None,
) -> int:
    """Register a checkpoint of your own by name, with its sha256."""
    from medpipe.cli.models import add

    return add(name, path, arch)


def remove_model(name: Annotated[str, typer.Argument(metavar="NAME", help="A registered name.")]) -> int:
    """Take a registered name off the list; the file stays where it is."""
    from medpipe.cli.models import remove

    return remove(name)


def convert_model(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder of a published Florence-2 or AG-KD model.")],
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where the native model goes; made, or empty.")],
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="How it is asked: florence-2, ag-kd, ag-kd-released.")
    ] = "florence-2",
) -> int:
    """Make a published grounding checkpoint native, from its safetensors; its own code is not run."""
    from medpipe.cli.models import convert

    return convert(source, folder, preset)


def list_commands() -> int:
    """List the commands."""
    width = max(map(len, COMMANDS))
    for name, (_, line) in COMMANDS.items():
        typer.echo(f"{name:<{width}}  {line}")
    typer.echo(f"\n{NAME} models lists the models; COMMAND --help and man COMMAND tell more.")
    return 0


_MODELS: dict[str, Body] = {
    "list": list_models,
    "verify": verify_models,
    "fetch": fetch_model,
    "add": add_model,
    "remove": remove_model,
    "convert": convert_model,
}
app = command_group(NAME, "Medical signals, images and prompts through pipes.", {}, alone=list_commands)
for _name, (_, _line) in COMMANDS.items():
    # Only for --help: `run` hands a command over before this group is asked.
    app.command(_name, help=_line)(list_commands)
app.add_typer(
    command_group(f"{NAME} models", "The checkpoints that --model can name.", _MODELS, alone=list_models), name="models"
)


def run() -> None:
    """The executable: `medpipe COMMAND ...` is COMMAND itself."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in COMMANDS:
        command: Any = import_module(f"medpipe.cli.{COMMANDS[arguments[0]][0]}")
        execute(command.app, arguments[0], arguments[1:])
    execute(app, NAME)

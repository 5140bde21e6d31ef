"""The options that training commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from medpipe.cli.exits import NO_STREAM, Fatal

if TYPE_CHECKING:
    from medpipe.core.training.settings import NamedSettings

Kind = TypeVar("Kind", bound="NamedSettings")

Output = Annotated[
    str, typer.Option("-o", "--output", metavar="FOLDER", help="The trained model, its metrics and its state.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Another value of one of the preset's settings; repeatable."),
]
Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Another number.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Another seed.")]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", metavar="N", min=1, help="End after so many.")]
Workers = Annotated[
    int, typer.Option("-j", "--jobs", metavar="N", min=0, help="Processes that read; 0 reads in this one.")
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or auto.")]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", min=1, help="Of torch on a CPU. Default: all cores.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Run the model through torch.compile.")]
CheckpointEvery = Annotated[
    int | None,
    typer.Option("--checkpoint-every", metavar="N", min=1, help="Steps between states. Default: every epoch."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but fatal ones.")]


def overridden(find: Callable[[str], Kind], preset: str, changes: list[str]) -> Kind:
    """The settings of a preset with the user's changes; BadParameter for what there is not."""
    try:
        return find(preset).override(dict(one.partition("=")[::2] for one in changes))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def changed(changes: list[str] | None, **given: int | None) -> list[str]:
    """Those of --set, then those that have an option of their own, which count more."""
    return [*(changes or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]


def listed_lines(option: str, name: str) -> list[str]:
    """The lines of a file of names, without those that are empty; Fatal 66 where it cannot be read."""
    try:
        lines = Path(name).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(NO_STREAM, f"{option} {name}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    return [line.strip() for line in lines if line.strip()]

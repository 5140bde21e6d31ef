"""The options that training commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from medpipe.cli.exits import NO_STREAM, Fatal
from medpipe.cli.options import SharedOptions

if TYPE_CHECKING:
    from medpipe.core.training.settings import NamedSettings

Kind = TypeVar("Kind", bound="NamedSettings")


@dataclass(slots=True)
class TrainingOptions(SharedOptions):
    """How to train, as the user gave it."""

    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="The trained model, its metrics and its state.")
    ]
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value of one of the preset's settings; repeatable."),
    ] = None
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Another number.")] = None
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", min=1, help="Of one process.")] = None
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Another seed.")] = None
    max_steps: Annotated[int | None, typer.Option("--max-steps", metavar="N", min=1, help="End after so many.")] = None
    validate_every: Annotated[
        int | None, typer.Option("--validate-every", metavar="N", min=1, help="Steps between. Default: every epoch.")
    ] = None
    checkpoint_every: Annotated[
        int | None,
        typer.Option("--checkpoint-every", metavar="N", min=1, help="Steps between states. Default: every epoch."),
    ] = None
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or auto.")] = "cpu"
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="Of torch on a CPU. Default: all cores.")
    ] = None
    compile: Annotated[bool, typer.Option("--compile", help="Run the model through torch.compile.")] = False
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no messages but fatal ones.")] = False

    def settings(self) -> list[str]:
        """Changes of the preset: those of --set, then those that have an option of their own, which count more."""
        given = {"epochs": self.epochs, "batch": self.batch_size, "seed": self.seed}
        return [*(self.changes or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]


# Of commands that read what they learn from while they learn.
Workers = Annotated[
    int, typer.Option("-j", "--jobs", metavar="N", min=0, help="Processes that read; 0 reads in this one.")
]


def overridden(find: Callable[[str], Kind], preset: str, changes: list[str]) -> Kind:
    """The settings of a preset with the user's changes; BadParameter for what there is not."""
    try:
        return find(preset).override(dict(one.partition("=")[::2] for one in changes))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def listed_lines(option: str, name: str) -> list[str]:
    """The lines of a file of names, without those that are empty; Fatal 66 where it cannot be read."""
    try:
        lines = Path(name).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(NO_STREAM, f"{option} {name}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    return [line.strip() for line in lines if line.strip()]

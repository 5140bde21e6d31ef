"""A command's arguments and options as plain data, for its man page and its completions."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import typer

from medpipe.cli.medpipe import COMMANDS

# What an option or argument takes, where it is a file or one of a few words that typer does not know of.
FILES = ("FILE", "FOLDER", "FILE.h5", "INPUT", "PREDICTIONS", "ENTITIES", "PATH")
WORDS = {
    "--device": ("cpu", "cuda", "auto"),
    "--init": ("random",),
    "--missing": ("error", "zero"),
    "--model": ("default", "smoke"),
    "--preset": ("merl", "kmerl"),
    "--uncertain": ("unknown", "1", "0"),
    "--mode": ("with-negatives", "paper"),
    "--part": ("train", "val", "test"),
    "--objective": ("merl", "kmerl", "supreme"),
    "--text-model": ("default",),
    "--labels": ("exact", "merl"),
    "--protocol": ("honest", "merl-released"),
    "--shard": ("slurm",),
    "--voi": ("file", "none", "abdomen", "bone", "brain", "liver", "lung", "mediastinum", "soft-tissue", "stroke"),
    "--slice": ("axial:mid", "coronal:mid", "sagittal:mid"),
    "--id": ("path", "stem", "hash", "key:"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option or argument."""

    flags: tuple[str, ...]
    metavar: str | None
    help: str
    default: str | None
    choices: tuple[str, ...] = ()
    required: bool = False
    repeatable: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether a word follows it."""
        return self.metavar is not None

    @property
    def takes_file(self) -> bool:
        """Whether that word is a file's name."""
        return self.metavar in FILES


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its options, its arguments, its subcommands."""

    name: str
    summary: str
    paragraphs: tuple[str, ...]
    options: tuple[Option, ...]
    arguments: tuple[Option, ...]
    subcommands: tuple[Command, ...] = field(default=())


def describe_all() -> list[Command]:
    """Every command, `medpipe` last, in which each of the others is a subcommand by name only."""
    found = [describe(name) for name in COMMANDS]
    return [*found, describe("medpipe")]


def describe(name: str) -> Command:
    """One command by the name of its executable."""
    module = importlib.import_module(f"medpipe.cli.{name.replace('-', '_')}")
    return _command(name, typer.main.get_command(module.app))


def _command(name: str, command: Any) -> Command:
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n") if part.strip()]
    subcommands = getattr(command, "commands", {})
    return Command(
        name=name,
        summary=paragraphs[0].rstrip(".") if paragraphs else "",
        paragraphs=tuple(paragraphs),
        options=tuple(_option(one) for one in command.get_params(_context(command)) if one.param_type_name == "option"),
        arguments=tuple(_argument(one) for one in command.params if one.param_type_name == "argument"),
        subcommands=tuple(
            _command(sub, one) for sub, one in subcommands.items() if name != "medpipe" or sub not in COMMANDS
        ),
    )


def _context(command: Any) -> Any:
    return command.context_class(command, **command.context_settings)


def _choices(one: Any, flag: str) -> tuple[str, ...]:
    if flag == "--arch":
        from medpipe.core.ecg.registry import ARCHITECTURES

        return tuple(ARCHITECTURES)
    kind = one.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(choice.value) for choice in kind)
    return WORDS.get(flag, ())


def _option(one: Any) -> Option:
    flags = tuple(sorted([*one.opts, *one.secondary_opts], key=lambda flag: (flag.startswith("--"), flag)))
    counts = getattr(one, "count", False)
    plain = one.is_flag or counts
    choices = () if plain else _choices(one, one.opts[-1])
    hidden = plain or one.default in (None, ..., [], ()) or one.required
    return Option(
        flags=flags,
        metavar=None if plain else (one.metavar or "|".join(choices)),
        help=(one.help or "").strip(),
        default=None if hidden else str(one.default),
        choices=choices,
        required=one.required,
        repeatable=one.multiple or counts,
    )


def _argument(one: Any) -> Option:
    name = one.metavar or one.name.upper()
    return Option(
        flags=(name,), metavar=name, help=(one.help or "").strip(), default=None, required=one.required,
        repeatable=one.nargs == -1,
    )  # fmt: skip

"""The options that record-to-record commands share, each written once."""

from __future__ import annotations

import inspect
import math
import os
import re
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Annotated, Any

import typer

_MOST_A_CORE = 8


class OnError(StrEnum):
    """What becomes of a record that failed."""

    record = "record"
    skip = "skip"
    fail = "fail"


def parse_shard(text: str) -> tuple[int, int]:
    """`I/N`, or `slurm` for the array variables; BadParameter when it is neither."""
    if text == "slurm":
        return _slurm_shard()
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not int(found[1]) < int(found[2]):
        raise typer.BadParameter(f"{text!r} is not I/N with I from 0 to N-1, nor the word slurm")
    return int(found[1]), int(found[2])


def _slurm_shard() -> tuple[int, int]:
    names = ("TASK_ID", "TASK_MIN", "TASK_COUNT", "TASK_STEP")
    values = [os.environ.get(f"SLURM_ARRAY_{name}", "1" if name == "TASK_STEP" else "") for name in names]
    if not all(value.isdigit() for value in values):
        raise typer.BadParameter("slurm needs the variables SLURM_ARRAY_TASK_ID, _MIN and _COUNT of an array job")
    task, low, count, step = map(int, values)
    if step < 1 or (task - low) % step or not 0 <= (task - low) // step < count:
        raise typer.BadParameter("the SLURM array is not a plain range; give --shard I/N")
    return (task - low) // step, count


def parse_id(text: str) -> str:
    """A scheme of naming records; BadParameter when there is none of that name."""
    if text in ("path", "stem", "hash") or (text.startswith("key:") and len(text) > 4):
        return text
    raise typer.BadParameter(f"{text!r} is not path, stem, hash or key:NAME")


def split_names(given: list[str] | None) -> list[str]:
    """Names from options that may be repeated and may hold several, with commas between."""
    names = [name.strip() for text in given or [] for name in text.split(",") if name.strip()]
    if given and not names:
        raise typer.BadParameter("a list of names is empty")
    return names


def check_finite(option: str, value: float | None) -> None:
    """BadParameter for a number that is infinite or none."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{option} {value}: not a finite number")


def default_jobs() -> int:
    """One, or what SLURM gives the task."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdigit() and int(given) > 0 else 1


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SharedOptions:
    """Options that several commands have, as a dataclass: a command's body takes it whole."""

    __slots__ = ()

    @classmethod
    def parameters(cls) -> list[inspect.Parameter]:
        """One keyword parameter for each option, as typer reads them."""
        hints = inspect.get_annotations(cls, eval_str=True)
        kind, needed = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
        return [
            inspect.Parameter(
                one.name, kind, default=needed if one.default is MISSING else one.default, annotation=hints[one.name]
            )
            for one in fields(cls)  # type: ignore[arg-type]
        ]

    def check(self) -> None:
        """Usage errors that involve more than one option."""


@dataclass(slots=True)
class RunOptions(SharedOptions):
    """The options of record-to-record commands."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Files of any format understood, folders, record streams, or - for standard input.",
            show_default=False,
        ),
    ] = None
    files_from: Annotated[
        str | None,
        typer.Option("--files-from", metavar="FILE", help="Read the inputs' paths from FILE, one a line."),
    ] = None
    null: Annotated[bool, typer.Option("-0", "--null", help="Paths in --files-from end with NUL.")] = False
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to write: .jsonl, .gz, .zst, .h5, or -. Folders are made."
        ),
    ] = "-"
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j",
            "--jobs",
            metavar="N",
            min=0,
            help="Worker processes: 0 for one a core, never more than 8 a core. Default 1, or SLURM's.",
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            metavar="N",
            min=1,
            help="Windows or findings at once. Default 1 (CUDA 32); findings 8.",
        ),
    ] = None
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="Where models run: cpu, cuda, cuda:1 or auto.")
    ] = "cpu"
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="Only inputs I, I+N, I+2N, ... counted from 0; or slurm."),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the part that a stopped run left.")] = False
    on_error: Annotated[
        OnError,
        typer.Option("--on-error", help="A failed record becomes an error record, is left out, or ends it."),
    ] = OnError.record
    id_scheme: Annotated[
        str, typer.Option("--id", metavar="SCHEME", help="Name records by path, stem, hash or key:NAME.")
    ] = "path"
    source: Annotated[bool, typer.Option("--source/--no-source", help="Keep file names in records.")] = True
    fs: Annotated[float | None, typer.Option("--fs", metavar="HZ", min=0.001, help="Sampling rate of CSV files.")] = (
        None
    )
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no messages but fatal ones.")] = False
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, help="Show every failure; -vv tracebacks too.", show_default=False),
    ] = 0

    def check(self) -> None:
        """See SharedOptions."""
        parse_id(self.id_scheme)
        check_finite("--fs", self.fs)
        if not re.fullmatch(r"cpu|auto|cuda(:\d+)?", self.device):
            raise typer.BadParameter(f"--device {self.device}: it is cpu, cuda, cuda:N or auto")
        if self.resume and self.output == "-":
            raise typer.BadParameter("--resume needs -o FILE: standard output keeps no state")
        if self.files_from is not None and self.inputs:
            raise typer.BadParameter("give either INPUT arguments or --files-from")
        if self.null and self.files_from is None:
            raise typer.BadParameter("-0 goes with --files-from")

    @property
    def worker_count(self) -> int:
        """Processes to start: more than a few for each core only fill the memory."""
        if self.jobs is None:
            return default_jobs()
        return min(self.jobs or available_cores(), _MOST_A_CORE * available_cores())

    def results(self) -> dict[str, Any]:
        """The shared options that change what comes out."""
        return {"id": self.id_scheme, "source": self.source, "fs": self.fs, "on_error": str(self.on_error)}

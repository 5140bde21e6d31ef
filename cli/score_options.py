"""Options of the scoring commands, each written once: truth, bootstrap draws, what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from medpipe.cli.options import SharedOptions

# An end of a 95 % interval then rests on the two or three outermost draws.
_FEWEST_DRAWS = 100
# Nulls that scoring text makes itself.
_MADE = ("shift", "shuffle")

IdColumn = Annotated[str, typer.Option("--id-column", metavar="NAME", help="The truth table's column of record ids.")]
Draws = Annotated[
    int, typer.Option("--draws", metavar="N", min=0, help="Bootstrap draws: at least 100, or 0 for no intervals.")
]
SeedDraws = Annotated[int, typer.Option("--seed-draws", metavar="N", min=0, help="Seed of the draws.")]
MinSupport = Annotated[
    int,
    typer.Option("--min-support", metavar="N", min=1, help="Positives that a class needs for the second macro mean."),
]
Table = Annotated[bool, typer.Option("--table", help="The table on standard output, in place of JSON Lines.")]


@dataclass(slots=True)
class ScoringOptions(SharedOptions):
    """What every kind of scoring reads, draws and writes, as the user gave it."""

    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="A stream of predictions, or -.")]
    draws: Draws = 1000
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the draws.")] = 0
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where the metrics go.")] = "-"
    table: Table = False
    quiet: Annotated[bool, typer.Option("--quiet", help="No table and no messages on stderr.")] = False

    def check(self) -> None:
        """See SharedOptions."""
        check_draws(self.draws)


def check_draws(draws: int) -> None:
    """BadParameter for too few draws to speak of an interval."""
    if 0 < draws < _FEWEST_DRAWS:
        raise typer.BadParameter(f"--draws {draws}: the ends of an interval need {_FEWEST_DRAWS}; 0 makes none")


def split_nulls(given: list[str] | None) -> list[tuple[str, str]]:
    """Names and files of `NAME=FILE`; BadParameter for what is neither, and for the names of nulls that are made."""
    pairs = []
    for text in given or []:
        name, equals, path = text.partition("=")
        if not (name and equals and path) or name in _MADE:
            raise typer.BadParameter(f"--null {text}: it is NAME=FILE, the name not {' or '.join(_MADE)}")
        pairs.append((name, path))
    return pairs

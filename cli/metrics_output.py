"""Where the metrics of a scoring command go: JSON Lines to its output, the table to stderr, or the other way round."""

from __future__ import annotations

import sys
from typing import Protocol

from medpipe.cli.publish import write_whole


class Shown(Protocol):
    """What the user asked to see."""

    @property
    def output(self) -> str:
        """A file, or -."""

    @property
    def table(self) -> bool:
        """On standard output the table, and no lines."""

    @property
    def quiet(self) -> bool:
        """No table on stderr."""


def publish(lines: bytes, shown: str, asked: Shown) -> None:
    """With `table` the table takes standard output, and the lines go nowhere but to a file."""
    if asked.output != "-" or not asked.table:
        write_whole(lines, asked.output)
    if asked.table:
        write_whole(f"{shown}\n".encode(), "-")
    elif not asked.quiet:
        print(shown, file=sys.stderr)

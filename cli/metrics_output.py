"""Where the metrics of a scoring command go: JSON Lines to its output, the table to stderr, or the other way round."""

from __future__ import annotations

import sys

from medpipe.cli.publish import write_whole


def publish(lines: bytes, shown: str, *, output: str, table: bool, quiet: bool) -> None:
    """With `table` the table takes standard output, and the lines go nowhere but to a file."""
    if output != "-" or not table:
        write_whole(lines, output)
    if table:
        write_whole(f"{shown}\n".encode(), "-")
    elif not quiet:
        print(shown, file=sys.stderr)

"""fmri-align: windows of responses with the words that were heard."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions, check_finite

NAME = "fmri-align"


class WordTime(StrEnum):
    """What of a word decides in which volume it was heard."""

    middle = "middle"
    onset = "onset"


def fmri_align(
    run: RunOptions,
    words: Annotated[
        str,
        typer.Option("--words", metavar="FILE", help="TextGrid, TSV, JSON Lines; or a folder, a file a story."),
    ] = ...,  # type: ignore[assignment]
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="NAME", help="Of a TextGrid: name, or number from 1. Default: word.")
    ] = None,
    start: Annotated[
        float, typer.Option("--start", metavar="SECONDS", help="When the words' time begins, from the scan's start.")
    ] = 0.0,
    trim: Annotated[
        str | None,
        typer.Option("--trim", metavar="N,M", help="Volumes that bare responses lack at the beginning and the end."),
    ] = None,
    lag_tr: Annotated[
        int, typer.Option("--lag-tr", metavar="N", help="Pair words with responses N volumes later.")
    ] = 0,
    extra: Annotated[
        int,
        typer.Option("--bold-extra-tr", metavar="N", min=0, help="Further volumes of responses at a window's end."),
    ] = 0,
    window: Annotated[int, typer.Option("--window", metavar="N", min=1, help="Volumes in a window.")] = 10,
    hop: Annotated[
        int | None, typer.Option("--hop", metavar="N", min=1, help="Volumes to the next. Default: as --window.")
    ] = None,
    word_time: Annotated[WordTime, typer.Option("--word-time", help="What places a word.")] = WordTime.middle,
    tr: Annotated[
        float | None, typer.Option("--tr", metavar="SECONDS", min=0.001, help="Of responses that do not say it.")
    ] = None,
    slack: Annotated[
        float | None,
        typer.Option("--slack", metavar="N", min=0, help="Volumes that scan and words may differ by. Default: 0, 15."),
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="Responses in the lines, not references to them.")] = False,
) -> int:
    """Cut runs of responses into windows, each with the text of its volumes.

    Inputs are runs of fmri-extract, streams of them, and HDF5 files with a matrix `data`. A window's record has
    story, i, t0, t1 (seconds of the words' time), text, tr_texts (one text for each volume) and responses, which
    refer to the run's file; -o FILE.h5 copies them. Where scan and words differ in length, the run fails and says
    which ends first, and by how much.
    """
    for option, value in (("--start", start), ("--tr", tr), ("--slack", slack)):
        check_finite(option, value)
    found = None if trim is None else re.fullmatch(r"(\d+),(\d+)", trim)
    if trim is not None and found is None:
        raise typer.BadParameter(f"--trim {trim}: two numbers of volumes, such as 10,5")
    from medpipe.cli.fmri_alignment import align
    from medpipe.cli.fmri_cutting import Cutting
    from medpipe.cli.fmri_windows import Alignment

    trimmed = None if found is None else (int(found[1]), int(found[2]))
    cutting = Cutting(tr, start, trimmed, lag_tr, extra, window, hop or window)
    return align(NAME, run, Alignment(words, cutting, tier, str(word_time), slack), inline=inline)


app = record_command(NAME, fmri_align)


def run() -> None:
    """The executable."""
    execute(app, NAME)

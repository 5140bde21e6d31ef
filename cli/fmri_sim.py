"""fmri-sim: simulated listeners, whose scans hold as much of the words as was asked."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli.command import execute, plain_command
from medpipe.cli.options import check_finite

NAME = "fmri-sim"


def fmri_sim(
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="Made, or empty: it gets the data set.")
    ] = ...,  # type: ignore[assignment]
    ev: Annotated[
        float,
        typer.Option(
            "--ev", metavar="SHARE", min=0, max=1, help="Explainable variance of the voxels that respond; 0 for none."
        ),
    ] = 0.05,
    subjects: Annotated[int, typer.Option("--subjects", metavar="N", min=1, max=99, help="Listeners.")] = 1,
    stories: Annotated[int, typer.Option("--stories", metavar="N", min=0, max=999, help="To train on.")] = 12,
    test_stories: Annotated[
        int, typer.Option("--test-stories", metavar="N", min=0, max=999, help="To test on; the last of --words.")
    ] = 1,
    repeats: Annotated[
        int, typer.Option("--repeats", metavar="N", min=1, max=99, help="How often a test story is heard.")
    ] = 2,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="SECONDS", min=1, max=7200, help="Length of a story.")
    ] = 480.0,
    words: Annotated[
        list[str] | None,
        typer.Option("--words", metavar="FILE", help="A story of your own: TextGrid, TSV, JSON Lines; repeatable."),
    ] = None,
    disjoint_topics: Annotated[
        bool, typer.Option("--disjoint-topics", help="Test stories speak of what no other story speaks of.")
    ] = False,
    start: Annotated[
        float, typer.Option("--start", metavar="SECONDS", min=0, max=600, help="The sound begins so late in the scan.")
    ] = 10.0,
    tr: Annotated[float, typer.Option("--tr", metavar="SECONDS", min=0.2, max=20, help="Between volumes.")] = 2.0,
    shape: Annotated[str, typer.Option("--shape", metavar="X,Y,Z", help="Voxels of the grid.")] = "24,24,16",
    phones: Annotated[bool, typer.Option("--phones", help="TextGrids have a tier of phones before the words.")] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="truth.h5 too: what each voxel responds to, and how late.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Same seed, same bytes.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No messages but fatal ones.")] = False,
) -> int:
    """Simulate functional scans of listeners to stories, at a stated explainable variance.

    FOLDER is laid out as fMRIPrep's derivatives: scans, masks, confounds and events of each run, TextGrids of the
    stories in stimuli/, and truth.json. Words have fixed random vectors, those of a topic alike; half of the voxels
    respond to them through a haemodynamic response of their own, above AR(1) noise, drifts and motion.
    """
    for option, value in (("--ev", ev), ("--seconds", seconds), ("--start", start), ("--tr", tr)):
        check_finite(option, value)
    if words is not None and not 0 <= test_stories <= len(words):
        raise typer.BadParameter(f"--test-stories {test_stories}: --words are {len(words)}")
    if words is not None and disjoint_topics:
        raise typer.BadParameter("--disjoint-topics chooses the topics of made stories, not of --words")
    if words is None and stories + test_stories == 0:
        raise typer.BadParameter("no story: --stories and --test-stories are both 0")
    from medpipe.cli.simulation import simulate
    from medpipe.cli.simulation_options import Given

    return simulate(
        NAME,
        Given(
            output=output, ev=ev, subjects=subjects, stories=stories, test_stories=test_stories, repeats=repeats,
            seconds=seconds, words=tuple(words or ()), disjoint=disjoint_topics, start=start, tr=tr, shape=shape,
            phones=phones, weights=weights, seed=seed, quiet=quiet,
        ),
    )  # fmt: skip


app = plain_command(NAME, fmri_sim)


def run() -> None:
    """The executable."""
    execute(app, NAME)

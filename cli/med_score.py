"""med-score: predictions and truth in, metrics with confidence intervals out."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli import score_options
from medpipe.cli.command import command_group, execute
from medpipe.cli.options import check_finite, split_names

NAME = "med-score"


def labels(
    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="A stream with scores, or -.")],
    truth: Annotated[
        str, typer.Option("--truth", metavar="FILE", help="CSV or JSON Lines; columns named as the scores.")
    ],
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="FILE", help="A second stream: both sides, and paired differences, first minus second."
        ),
    ] = None,
    id_column: score_options.IdColumn = "id",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Column of patients: intervals resample whole patients.")
    ] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--classes", metavar="NAMES", help="Score only these: MI,NORM.")
    ] = None,
    thresholds: Annotated[
        list[float] | None,
        typer.Option("--threshold", metavar="X", help="Add this threshold to the tables; repeatable."),
    ] = None,
    draws: score_options.Draws = 1000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the draws.")] = 0,
    min_support: score_options.MinSupport = 10,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where the metrics go.")] = "-",
    table: score_options.Table = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No table and no messages on stderr.")] = False,
) -> int:
    """Score multi-label predictions: AUROC, AUPRC, thresholds, with bootstrap intervals.

    Records and truth are matched by id, scores and columns by name. Metrics are JSON Lines on standard
    output, one line a class and one a macro mean; the table goes to stderr.
    """
    if thresholds and against is not None:
        raise typer.BadParameter("--threshold goes with one stream, not with --against")
    score_options.check_draws(draws)
    for threshold in thresholds or []:
        check_finite("--threshold", threshold)
    from medpipe.cli.label_scores import LabelRun, score

    return score(
        LabelRun(
            predictions=predictions,
            truth=truth,
            against=against,
            id_column=id_column,
            by=by,
            classes=split_names(classes),
            thresholds=thresholds or [],
            draws=draws,
            seed=seed,
            min_support=min_support,
            output=output,
            table=table,
            quiet=quiet,
        )
    )


app = command_group(NAME, "Score predictions against truth, with confidence intervals.", {"labels": labels})


def run() -> None:
    """The executable."""
    execute(app, NAME)

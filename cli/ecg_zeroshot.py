"""ecg-zeroshot: ECGs or their embeddings in, scores of text queries out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli import ecg_options
from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions, split_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from medpipe.cli.process import Transform
    from medpipe.formats.jsonl import Record

NAME = "ecg-zeroshot"


def ecg_zeroshot(
    run: RunOptions,
    query: Annotated[
        list[str] | None, typer.Option("-q", "--query", metavar="TEXT", help="A condition in words; repeatable.")
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option("--queries", metavar="FILE", help="Queries, one a line, or a JSON object of name to prompt."),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", metavar="K", min=1, help="Keep the K highest scores.")] = None,
    model: ecg_options.Model = None,
    arch: ecg_options.Arch = None,
    preset: ecg_options.PresetName = None,
    init: ecg_options.Init = None,
    seed: ecg_options.Seed = 0,
    text_model: ecg_options.TextModel = None,
    leads: ecg_options.Leads = None,
    missing: ecg_options.Missing = "error",
    segment: ecg_options.Segment = None,
    attn: Annotated[
        bool, typer.Option("--attn", help="Add where a query decoder looked: attention, by query, lead and time.")
    ] = False,
    keep_arrays: ecg_options.KeepArrays = False,
) -> int:
    """Score ECGs against conditions given in words: adds scores, score_kind and scorer.

    Takes ECG files, ECG records, or the output of ecg-encode; then the checkpoint that the records name
    is used.
    """
    ecg_options.check_choices(missing, init, arch, model, preset, segment)
    if queries == "-" and "-" in (run.inputs or [run.files_from or "-"]):
        raise typer.BadParameter("--queries - and the records cannot both come on standard input")
    from medpipe.cli.ecg_scoring import Scoring
    from medpipe.cli.queries import collect_queries
    from medpipe.cli.runner import Job, run_job

    wanted = collect_queries(query, queries)
    settings: dict[str, Any] = {
        "model": ecg_options.model_options(model, arch, preset, init, seed, text_model),
        "queries": wanted,
        "top": top,
        "attn": attn,
        "tokens": False,
        "leads": split_names(leads),
        "missing": missing,
        "segment": segment,
        "keep_arrays": keep_arrays,
    }
    size = ecg_options.batch_size(run.batch_size, run.device)

    def prepare() -> tuple[Transform, str | Callable[[Record | None], str]]:
        scoring = Scoring(NAME, wanted, settings, run.device, size)
        return scoring.transform, scoring.label

    return run_job(Job(NAME, run, prepare, settings))


app = record_command(NAME, ecg_zeroshot)


def run() -> None:
    """The executable."""
    execute(app, NAME)

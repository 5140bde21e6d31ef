"""ecg-benchmark: zero-shot evaluation on the six sets of MERL's protocol."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medpipe.cli import ecg_options, score_options
from medpipe.cli.command import execute, plain_command

NAME = "ecg-benchmark"
SUBSETS = "12;I;I,II;limb6;I,II,V1-V6"


def ecg_benchmark(
    splits: Annotated[str, typer.Option("--splits", metavar="FOLDER", help="MERL's tables: its finetune/data_split.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="Predictions, truth tables and metrics go here.")
    ],
    ptbxl: Annotated[str | None, typer.Option("--ptbxl", metavar="FOLDER", help="Your copy of PTB-XL.")] = None,
    cpsc: Annotated[str | None, typer.Option("--cpsc", metavar="FOLDER", help="Your copy of CPSC2018.")] = None,
    csn: Annotated[
        str | None, typer.Option("--csn", metavar="FOLDER", help="Your copy of Chapman-Shaoxing-Ningbo.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--sets", metavar="NAMES", help="Of super, sub, form, rhythm, cpsc, csn; default all given."),
    ] = None,
    part: Annotated[str, typer.Option("--part", metavar="NAME", help="train, val or test.")] = "test",
    labels: Annotated[
        str, typer.Option("--labels", metavar="exact|merl", help="Labels by name, or as MERL's tables have them.")
    ] = "exact",
    subsets: Annotated[
        str, typer.Option("--lead-subsets", metavar="LIST", help="Leads to use, one subset after another, ; between.")
    ] = SUBSETS,
    model: ecg_options.Model = None,
    arch: ecg_options.Arch = None,
    preset: ecg_options.PresetName = None,
    init: ecg_options.Init = None,
    init_seed: ecg_options.Seed = 0,
    text_model: ecg_options.TextModel = None,
    missing: ecg_options.Missing = "error",
    queries: Annotated[
        str | None, typer.Option("--queries", metavar="FILE", help="JSON object of class to prompt, for ours.")
    ] = None,
    seen: Annotated[
        str | None,
        typer.Option("--seen", metavar="FILE", help="Classes that training knew, one a line; the others are unseen."),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="FOLDER", help="Another run's folder: paired differences.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", metavar="N", min=0, help="Worker processes.")] = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    draws: score_options.Draws = 1000,
    seed: score_options.SeedDraws = 0,
    table: score_options.Table = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table on stderr.")] = False,
) -> int:
    """Score the classes of MERL's benchmark by their names, for subsets of leads, with intervals by patient.

    Scores every recording of the sets that you have (--ptbxl, --cpsc, --csn), and writes predictions
    (FOLDER/SET.LEADS.jsonl), truth (FOLDER/SET.truth.csv) and metrics (FOLDER/metrics.jsonl, standard output). A run
    that was stopped goes on where it was.
    """
    ecg_options.check_choices(missing, init, arch, model, preset, None)
    score_options.check_draws(draws)
    from medpipe.cli.benchmark import Benchmark, run_benchmark
    from medpipe.cli.options import split_names

    folders: dict[str, str | None] = {"ptbxl": ptbxl, "cpsc": cpsc, "csn": csn}
    options: dict[str, Any] = ecg_options.model_options(model, arch, preset, init, init_seed, text_model)
    return run_benchmark(
        NAME,
        Benchmark(
            splits=splits,
            folders={name: folder for name, folder in folders.items() if folder is not None},
            sets=split_names(sets),
            split=part,
            labels=labels,
            subsets=subsets,
            model=options,
            missing=missing,
            queries=queries,
            seen=seen,
            against=against,
            output=output,
            jobs=jobs,
            device=device,
            draws=draws,
            seed=seed,
            table=table,
            quiet=quiet,
        ),
    )


app = plain_command(NAME, ecg_benchmark)


def run() -> None:
    """The executable."""
    execute(app, NAME)

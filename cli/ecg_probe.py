"""ecg-probe: recordings and labels in, linear probes of a frozen encoder beside their baselines out."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli import ecg_options, score_options
from medpipe.cli.command import execute, plain_command
from medpipe.cli.options import RunOptions, split_names

NAME = "ecg-probe"
PROTOCOLS = ("honest", "merl-released")


def ecg_probe(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="ECG files, folders, record streams, or -.", show_default=False),
    ] = None,
    *,
    truth: Annotated[
        str, typer.Option("--truth", metavar="FILE", help="CSV or JSON Lines: a row a record, a column a class.")
    ],
    split: Annotated[
        str, typer.Option("--split", metavar="COLUMN", help="Column of train, val and test, or of folds.")
    ],
    train_folds: Annotated[
        str | None, typer.Option("--train-folds", metavar="LIST", help="Folds to train on: 1-8.")
    ] = None,
    val_folds: Annotated[str | None, typer.Option("--val-folds", metavar="LIST", help="Folds to choose by: 9.")] = None,
    test_folds: Annotated[
        str | None, typer.Option("--test-folds", metavar="LIST", help="Folds to test on: 10.")
    ] = None,
    id_column: score_options.IdColumn = "id",
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="Column of patients: fractions and intervals draw whole patients."),
    ] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--classes", metavar="NAMES", help="Probe these; default: all other columns.")
    ] = None,
    fractions: Annotated[
        str, typer.Option("--fractions", metavar="LIST", help="Shares of the training patients.")
    ] = "0.01,0.1,1",
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, max=100, help="Draws of the fractions and random encoders.")
    ] = 3,
    protocol: Annotated[
        str,
        typer.Option("--protocol", metavar="|".join(PROTOCOLS), help="Choose on val, or as MERL's code on test."),
    ] = "honest",
    model: ecg_options.Model = None,
    arch: ecg_options.Arch = None,
    preset: ecg_options.PresetName = None,
    init: ecg_options.Init = None,
    init_seed: ecg_options.Seed = 0,
    leads: ecg_options.Leads = None,
    missing: ecg_options.Missing = "error",
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="FILE", help="Keep what was encoded, .jsonl or .h5, for other truths."),
    ] = None,
    files_from: Annotated[
        str | None, typer.Option("--files-from", metavar="FILE", help="Read the inputs' paths from FILE, one a line.")
    ] = None,
    null: Annotated[bool, typer.Option("-0", "--null", help="Paths in --files-from end with NUL.")] = False,
    id_scheme: Annotated[
        str, typer.Option("--id", metavar="SCHEME", help="Name records by path, stem, hash or key:NAME.")
    ] = "path",
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", metavar="N", min=0, help="Worker processes.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", min=1, help="Windows a model sees at once. Default 1, 32 on CUDA."),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    draws: score_options.Draws = 1000,
    seed: score_options.SeedDraws = 0,
    min_support: score_options.MinSupport = 10,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where the metrics go.")] = "-",
    table: score_options.Table = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no table and no messages on stderr.")] = False,
) -> int:
    """Probe a frozen ECG encoder: L2 logistic regression on its embeddings at 1, 10 and 100 % of the labels.

    Always beside it: the same probe on untrained encoders of the same architecture, a ridge on spectra and lead
    correlations, and a constant. The strength is chosen on the validation part; test labels only judge.

    Records and truth are matched by id, classes by column name. Metrics are JSON Lines on standard output, the
    table goes to stderr.
    """
    ecg_options.check_choices(missing, init, arch, model, preset, None)
    score_options.check_draws(draws)
    if protocol not in PROTOCOLS:
        raise typer.BadParameter(f"--protocol {protocol}: there are {', '.join(PROTOCOLS)}")
    encoding = RunOptions(
        inputs=inputs, files_from=files_from, null=null, output=features or "-", jobs=jobs, batch_size=batch_size,
        device=device, id_scheme=id_scheme, quiet=quiet,
    )  # fmt: skip
    encoding.check()
    shares = parse_fractions(fractions)
    from medpipe.cli.probe_truth import parse_split
    from medpipe.cli.probing import ProbeRun, probe

    settings = {
        "model": ecg_options.model_options(model, arch, preset, init, init_seed, None), "tokens": False,
        "leads": split_names(leads), "missing": missing, "segment": None, "keep_arrays": False,
    }  # fmt: skip
    return probe(
        NAME,
        ProbeRun(
            encoding=encoding,
            settings=settings,
            batch_size=ecg_options.batch_size(batch_size, device),
            truth=truth,
            id_column=id_column,
            by=by,
            split=parse_split(split, train_folds, val_folds, test_folds),
            classes=split_names(classes),
            fractions=shares,
            seeds=seeds,
            protocol=protocol,
            draws=draws,
            seed=seed,
            min_support=min_support,
            output=output,
            table=table,
            quiet=quiet,
        ),
    )


def parse_fractions(text: str) -> list[float]:
    """Shares above 0 up to 1, from small to large; BadParameter."""
    try:
        shares = sorted({float(part) for part in text.split(",")})
    except ValueError:
        shares = [0.0]
    if not all(0 < share <= 1 for share in shares):
        raise typer.BadParameter(f"--fractions {text}: shares above 0 and up to 1, commas between: 0.01,0.1,1")
    return shares


app = plain_command(NAME, ecg_probe)


def run() -> None:
    """The executable."""
    execute(app, NAME)

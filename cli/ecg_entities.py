"""ecg-entities: reports in, cardiac entities out; then a vocabulary of them, and targets to train on."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli.command import command_group, execute
from medpipe.cli.options import RunOptions, check_finite, split_names

NAME = "ecg-entities"


def extract(
    run: RunOptions,
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report", metavar="NAMES", help="Keys or CSV columns of the text, joined; NAME* for all that begin so."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Ask this language model in place of the lexicon."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Server of --model, OpenAI protocol: .../v1.")
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm/--no-confirm", help="Ask a second time whether each entity is there.")
    ] = True,
    cache: Annotated[
        str | None, typer.Option("--cache", metavar="FILE", help="Keep the model's answers here, and use those there.")
    ] = None,
) -> int:
    """Find cardiac entities in reports: name, code, present, absent or uncertain, and the words that say so.

    Inputs are record streams, and CSV tables whose rows are records. Without --model a lexicon of English and German
    reads them; a report in another language is an error record. With --model a language model reads them, served
    (--base-url) or local.
    """
    if base_url is not None and model is None:
        raise typer.BadParameter("--base-url needs --model: which model the server should run")
    if model is None and (cache is not None or not confirm):
        raise typer.BadParameter(f"{'--cache' if cache is not None else '--no-confirm'} goes with --model")
    from medpipe.cli.entities import ExtractRun, run_extract

    return run_extract(NAME, run, ExtractRun(split_names(report) or ["report"], model, base_url, confirm, cache))


def vocabulary(
    entities: Annotated[list[str], typer.Argument(metavar="ENTITIES", help="Streams of ecg-entities extract, or -.")],
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="Reports that must claim an entity.")
    ] = 10,
    most: Annotated[int | None, typer.Option("--top", metavar="N", min=1, help="Keep the N most frequent.")] = None,
    merge: Annotated[
        float,
        typer.Option("--merge", metavar="X", min=0, max=1, help="Cosine of names that are taken for one; 1: none."),
    ] = 0.9,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where the vocabulary goes.")] = "-",
    quiet: Annotated[bool, typer.Option("--quiet", help="No table on stderr.")] = False,
) -> int:
    """Count entities, merge names that are near duplicates, cut the rare ones: a vocabulary as JSON."""
    check_finite("--merge", merge)
    from medpipe.cli.entities import write_vocabulary

    return write_vocabulary(entities, min_count, most, merge, output, quiet)


def targets(
    run: RunOptions,
    vocabulary: Annotated[
        str,
        typer.Option("--vocabulary", metavar="FILE", help="Names and order of the targets: ecg-entities vocabulary."),
    ],
    uncertain: Annotated[
        str, typer.Option("--uncertain", metavar="unknown|1|0", help="What a doubted entity counts as.")
    ] = "unknown",
) -> int:
    """Turn entities into targets for training: `targets`, one number for each name of the vocabulary.

    1 is claimed, 0 denied or not spoken of, -1 unknown. -o FILE.h5 writes them as one array [records, names], with
    the names in the attribute target_names.
    """
    if uncertain not in ("unknown", "1", "0"):
        raise typer.BadParameter(f"--uncertain {uncertain}: it is unknown, 1 or 0")
    from medpipe.cli.entities import run_targets

    return run_targets(NAME, run, vocabulary, -1 if uncertain == "unknown" else int(uncertain))


app = command_group(
    NAME,
    "Cardiac entities of ECG reports, their vocabulary, and targets to train on.",
    {"extract": extract, "vocabulary": vocabulary, "targets": targets},
)


def run() -> None:
    """The executable."""
    execute(app, NAME)

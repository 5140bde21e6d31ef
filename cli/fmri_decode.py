"""fmri-decode: windows of responses in, the text that a model writes for them out."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli import fmri_scan_options as scan
from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions, check_finite

if TYPE_CHECKING:
    from medpipe.cli.process import Transform

NAME = "fmri-decode"


class Null(StrEnum):
    """What stands in the place of the responses, for streams that a score is compared with."""

    noise = "noise"
    prompt_free = "prompt-free"
    random_likelihood = "random-likelihood"


def fmri_decode(
    run: RunOptions,
    model: Annotated[
        str, typer.Option("--model", metavar="FOLDER", help="Of fmri-train; of its text stage a ceiling.")
    ] = ...,  # type: ignore[assignment]
    null_input: Annotated[
        Null | None,
        typer.Option(
            "--null-input",
            help="Noise with each voxel's mean, spread and memory; no prompt at all; of ridge, likelihoods by chance.",
        ),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", metavar="N", min=1, help="The most of a text. Default: as trained.")
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="X", min=0, help="0 takes the likeliest token, else it is drawn.")
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option("--top-p", metavar="SHARE", min=0.001, max=1, help="Draw from the likeliest of this share.")
    ] = 1.0,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Of a ridge model's search: beam, extensions, ...; repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of what is drawn.")] = 0,
    seen: Annotated[
        bool, typer.Option("--seen", help="Decode stories that the model has learnt from too; records say so.")
    ] = False,
    mask: scan.Mask = None,
    labels: scan.Labels = None,
    confounds: scan.ConfoundsFile = None,
    tr: scan.Tr = None,
    start: Annotated[
        float | None,
        typer.Option("--start", metavar="SECONDS", help="Of the words' time in scans. Default: as the model's."),
    ] = None,
    bids: scan.Bids = None,
    subject: scan.Subject = None,
    task: scan.Task = None,
    session: scan.Session = None,
    run_label: scan.RunLabel = None,
    space: scan.Space = None,
) -> int:
    """Write the text of windows of responses: adds text, tr_texts, token_logprobs, n_tokens, ended and decoder.

    Inputs are streams of fmri-align, runs of fmri-extract, or scans, which are cleaned and cut as the model's own were
    and need its --mask. What was heard is not read, and stands in windows alone: med-score text meets both by id. A
    window of a story that the model has learnt from, under any name, fails unless --seen allows it. The text stage of a
    model writes from the true text: the ceiling of what a prompt can say, and no decoding. Sixteen windows are written
    together where --batch-size does not say otherwise.

    A model of --stage ridge searches for the words of whole runs (Tang et al. 2023), whose windows must stand together,
    and adds log_likelihood, that of a window's responses over that without any word, in nats. --set beam=50 is
    faster than its 200; there are extensions, nucleus, ratio and seconds too.
    """
    check_finite("--temperature", temperature)
    check_finite("--top-p", top_p)
    check_finite("--tr", tr)
    check_finite("--start", start)
    given = scan.ScanOptions(mask, labels, confounds, tr, bids, subject, task, session, run_label, space)
    given.check()
    from medpipe.cli.fmri_ridge_decoding import RidgeDecoding, is_ridge
    from medpipe.cli.fmri_side_inputs import side_inputs
    from medpipe.cli.runner import Job, run_job
    from medpipe.formats.registry import ReadOptions

    ridge, null = is_ridge(model), null_input and str(null_input)
    settings: dict[str, Any] = {"model": model, "null": null, "seed": seed, "seen": seen}
    if ridge:
        if tokens is not None or temperature or top_p < 1:
            raise typer.BadParameter("--tokens, --temperature and --top-p are of BP-GPT's models, this one searches")
        if given != scan.ScanOptions() or start is not None:
            raise typer.BadParameter("a model of --stage ridge reads windows of fmri-align, no scans")
        settings["beam"] = RidgeDecoding.settings(changes or [], null)
    else:
        if changes or null_input is Null.random_likelihood:
            raise typer.BadParameter("--set and random-likelihood are of models of --stage ridge")
        settings |= {"tokens": tokens, "temperature": temperature, "top_p": top_p}
    side = side_inputs(run, given)

    def prepare() -> tuple[Transform, str]:
        from medpipe.cli.fmri_decoding import FmriDecoding

        if ridge:
            search = RidgeDecoding.open(settings, run.device)
            return search.transform, search.label
        decoding = FmriDecoding.open(settings, run.device, run.batch_size)
        decoding.take_scans(NAME, side, tr, start, quiet=run.quiet)
        return decoding.transform, decoding.label

    results = {**settings, "tr": tr, "start": start, **side.digests()}
    return run_job(Job(NAME, run, prepare, results, read=ReadOptions(run.fs, series=True), runs=ridge))


app = record_command(NAME, fmri_decode)


def run() -> None:
    """The executable."""
    execute(app, NAME)

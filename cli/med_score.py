"""med-score: predictions and truth in, metrics with confidence intervals out."""

from __future__ import annotations

from typing import Annotated

import typer

from medpipe.cli import score_options
from medpipe.cli.command import command_group, execute
from medpipe.cli.options import check_finite, split_names
from medpipe.cli.score_options import ScoringOptions

NAME = "med-score"


def labels(
    scoring: ScoringOptions,
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
    min_support: score_options.MinSupport = 10,
) -> int:
    """Score multi-label predictions: AUROC, AUPRC, thresholds, with bootstrap intervals.

    Records and truth are matched by id, scores and columns by name. Metrics are JSON Lines on standard
    output, one line a class and one a macro mean; the table goes to stderr.
    """
    if thresholds and against is not None:
        raise typer.BadParameter("--threshold goes with one stream, not with --against")
    for threshold in thresholds or []:
        check_finite("--threshold", threshold)
    from medpipe.cli.label_scores import LabelRun, score

    return score(LabelRun(scoring, truth, against, id_column, by, split_names(classes), thresholds or [], min_support))


def boxes(
    scoring: ScoringOptions,
    truth: Annotated[
        str, typer.Option("--truth", metavar="FILE", help="A stream with boxes, or COCO, Pascal VOC or VinDr files.")
    ],
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="FILE", help="A second stream: paired differences, first minus second."),
    ] = None,
    mode: Annotated[
        str,
        typer.Option("--mode", metavar="NAME", help="with-negatives, or paper: only labels that the image has."),
    ] = "with-negatives",
    names: Annotated[
        list[str] | None, typer.Option("--labels", metavar="NAMES", help="Score only these. Default: the truth's.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", metavar="X", help="Leave out boxes below this score.")
    ] = None,
    froc_iou: Annotated[
        float, typer.Option("--froc-iou", metavar="X", min=0.01, max=1, help="Overlap that FROC calls right.")
    ] = 0.5,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Key of patients in the truth, drawn whole.")
    ] = None,
) -> int:
    """Score boxes: AP by overlap, best overlap, FROC, RoDeO, images rightly left alone, with intervals by image.

    Images are matched by the stem of their id. AP is COCO's; a box without a score counts as 1. Metrics are JSON
    Lines on standard output, one line a label and one for all; the table goes to stderr.
    """
    from medpipe.cli.box_scores import MODES, BoxRun, score

    if mode not in MODES:
        raise typer.BadParameter(f"--mode {mode}: it is {' or '.join(MODES)}")
    if min_score is not None:
        check_finite("--min-score", min_score)
    return score(BoxRun(scoring, truth, against, mode, split_names(names), min_score, froc_iou, by))


def text(
    scoring: ScoringOptions,
    truth: Annotated[str, typer.Option("--truth", metavar="FILE", help="A stream of windows with what was there.")],
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="FILE", help="A second stream: paired differences, first minus second."),
    ] = None,
    nulls: Annotated[
        list[str] | None,
        typer.Option("--null", metavar="NAME=FILE", help="What noise, or a language model alone, gives; repeatable."),
    ] = None,
    text_key: Annotated[str, typer.Option("--text", metavar="NAME", help="Key of what was decoded.")] = "text",
    truth_key: Annotated[
        str, typer.Option("--reference", metavar="NAME", help="Key of what was there, in the truth.")
    ] = "text",
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Key of the story, in the truth.")] = "story",
    order: Annotated[
        str, typer.Option("--order", metavar="NAME", help="Key of a window's time in its story, in the truth.")
    ] = "t0",
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", metavar="NAME", help="words, lower case without punctuation; or whitespace.")
    ] = "words",
    wordnet: Annotated[bool, typer.Option("--wordnet", help="METEOR with synonyms, from nltk and its data.")] = False,
    bert: Annotated[
        str | None, typer.Option("--bert", metavar="FOLDER", help="Add BERTScore, and identify windows, by this model.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--bert-layer", metavar="N", min=1, help="The layer to take. Default: the last.")
    ] = None,
    idf: Annotated[bool, typer.Option("--idf", help="BERTScore weighs pieces by how rare the truth has them.")] = False,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="Where --bert computes: cpu, cuda, cuda:N, auto.")
    ] = "cpu",
    least: Annotated[
        float, typer.Option("--min-shift", metavar="X", min=0, help="Null shifts are longer, in the unit of --order.")
    ] = 30.0,
    block: Annotated[
        int | None,
        typer.Option("--block", metavar="N", min=1, help="Windows shuffled as one. Default: --min-shift."),
    ] = None,
    permutations: Annotated[
        int, typer.Option("--permutations", metavar="N", min=0, help="Shuffles and combined shifts; 0 for neither.")
    ] = 9999,
) -> int:
    """Score decoded text: identification of its window, WER, BLEU-1, METEOR, BERTScore, each beside its nulls.

    Windows are matched by id. Nulls pair the windows of a story anew, shifted in a circle or shuffled in blocks, or are
    streams of others (--null); p is one-sided, (1 + nulls as good or better) / (1 + nulls). Metrics are JSON Lines on
    standard output, one line a story and one for all; the table goes to stderr.
    """
    check_finite("--min-shift", least)
    named = score_options.split_nulls(nulls)
    if named and against is not None:
        raise typer.BadParameter("--null goes with one stream, not with --against")
    if bert is None and (idf or layer is not None):
        raise typer.BadParameter("--idf and --bert-layer go with --bert")
    from medpipe.cli.text_scores import TextRun, score
    from medpipe.cli.text_stories import TextSources
    from medpipe.core.metrics.text.panel import TextSettings
    from medpipe.core.metrics.text.scored_story import Sampling
    from medpipe.core.metrics.text.words import TOKENIZERS

    if tokenizer not in TOKENIZERS:
        raise typer.BadParameter(f"--tokenizer {tokenizer}: it is {' or '.join(TOKENIZERS)}")
    streams = [[path] for path in (scoring.predictions, against) if path is not None]
    sources = TextSources(streams, truth, named, text_key=text_key, truth_key=truth_key, by=by, order=order)
    settings = TextSettings(tokenizer, wordnet, bert, layer, idf, device)
    sampling = Sampling(permutations, least, block, scoring.draws, scoring.seed)
    return score(TextRun(scoring, sources, settings, sampling))


app = command_group(
    NAME,
    "Score predictions against truth, with confidence intervals.",
    {"labels": labels, "boxes": boxes, "text": text},
)


def run() -> None:
    """The executable."""
    execute(app, NAME)

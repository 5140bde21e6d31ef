"""med-view: a record in, a picture out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from medpipe.cli import image_options
from medpipe.cli.command import execute, plain_command
from medpipe.cli.options import check_finite, parse_id, split_names
from medpipe.cli.score_options import split_nulls

NAME = "med-view"


class Layout(StrEnum):
    """How the leads stand on the page."""

    auto = "auto"
    columns = "3x4"
    strips = "12x1"


class Format(StrEnum):
    """Kind of picture."""

    png = "png"
    svg = "svg"
    html = "html"


def med_view(
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT", help="Files or record streams, or -.", show_default=False)
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FILE", help="FILE.png, .svg or .html, a FOLDER/ for every record, or -."
        ),
    ] = ...,  # type: ignore[assignment]
    form: Annotated[Format | None, typer.Option("--format", help="Default: by the suffix of -o, else png.")] = None,
    record: Annotated[
        str | None,
        typer.Option("--record", metavar="ID", help="Draw this record, the first if none is given; or this story."),
    ] = None,
    layout: Annotated[Layout, typer.Option("--layout", help="Three rows of four with a rhythm strip, or strips.")] = (
        Layout.auto
    ),
    rhythm: Annotated[str, typer.Option("--rhythm", metavar="LEAD", help="Lead of the rhythm strip.")] = "II",
    leads: Annotated[
        list[str] | None, typer.Option("--leads", metavar="NAMES", help="Draw only these leads: I,II,V1.")
    ] = None,
    attention: Annotated[
        str | None,
        typer.Option("--attn", metavar="QUERY", help="Shade where the model looked for this query. Default: the best."),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option("--truth", metavar="FILE", help="True boxes: COCO, VinDr, VOC, records. Or windows, for text."),
    ] = None,
    nulls: Annotated[
        list[str] | None,
        typer.Option("--null", metavar="NAME=FILE", help="Text that noise gives, as for med-score text; repeatable."),
    ] = None,
    panels: Annotated[
        list[str] | None,
        typer.Option("--panels", metavar="NAMES", help="Of decoded text only these: matrix,null,text."),
    ] = None,
    least: Annotated[
        float, typer.Option("--min-shift", metavar="SECONDS", min=0, help="Null shifts of text are longer.")
    ] = 30.0,
    begin: Annotated[float, typer.Option("--from", metavar="SECONDS", min=0, help="Begin here.")] = 0.0,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="Heading of the picture. Default: the record's id.")
    ] = None,
    dpi: Annotated[int, typer.Option("--dpi", metavar="N", min=50, max=600, help="Dots per inch of a PNG.")] = 150,
    fs: Annotated[
        float | None, typer.Option("--fs", metavar="HZ", min=0.001, help="Sampling rate of CSV files.")
    ] = None,
    voi: Annotated[
        str | None,
        typer.Option(
            "--voi", metavar="WINDOW", help="Grey values: file, lung, CENTER,WIDTH, ... Default: the record's, or file."
        ),
    ] = None,
    slice_of: image_options.SliceOf = None,
    id_scheme: Annotated[
        str, typer.Option("--id", metavar="SCHEME", help="Name records by path, stem, hash or key:NAME.")
    ] = "path",
    quiet: Annotated[bool, typer.Option("--quiet", help="No messages but fatal ones.")] = False,
) -> int:
    """Draw an ECG to scale, 25 mm/s and 10 mm/mV, with its scores; an image with its boxes; decoded text; a cache.

    Takes ECG and image files and record streams with signals or images (--keep-arrays keeps them). A scores key
    is drawn beside the leads, the attention of ecg-zeroshot --attn behind them; boxes on the image, which is
    read again from its file where the record has it no more. With windows as --truth, text that was decoded from them
    is drawn beside theirs along time, with the similarity of every pair and the nulls of med-score text: all stories
    together, or each in a FOLDER/. Of kv-profile the layers of a record, their budgets and entropies; of a sweep the
    quality against what is kept, and of bench time and memory, all requests together, one by --record, or each in a
    FOLDER/.
    """
    parse_id(id_scheme)
    check_finite("--min-shift", least)
    named, chosen = split_nulls(nulls), split_names(panels)
    if chosen:
        from medpipe.core.draw.decoding import PANELS

        unknown = [name for name in chosen if name not in PANELS]
        if unknown:
            raise typer.BadParameter(f"--panels {unknown[0]}: they are {', '.join(PANELS)}")
    from medpipe.cli.viewing import View, draw_all

    view = View(
        output=output,
        form=str(form) if form is not None else None,
        record=record,
        layout=str(layout),
        rhythm=rhythm,
        leads=split_names(leads),
        begin=begin,
        title=title,
        dpi=dpi,
        read=image_options.read_options(fs, voi or "file", slice_of),
        own_voi=voi is not None,
        quiet=quiet,
        attention=attention,
        truth=truth,
        nulls=named,
        panels=chosen,
        least=least,
    )
    return draw_all(NAME, view, inputs or [], id_scheme)


app = plain_command(NAME, med_view)


def run() -> None:
    """The executable."""
    execute(app, NAME)

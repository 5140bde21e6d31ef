"""med-cat: recordings and record streams in; records, HDF5 or WFDB out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli import image_options
from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions, check_finite, split_names

if TYPE_CHECKING:
    from medpipe.cli.process import Transform
    from medpipe.formats.jsonl import Record

NAME = "med-cat"


def med_cat(
    run: RunOptions,
    leads: Annotated[
        list[str] | None,
        typer.Option("--leads", metavar="NAMES", help="Keep these leads, in this order: I,II,V1."),
    ] = None,
    begin: Annotated[float | None, typer.Option("--from", metavar="SECONDS", min=0, help="Begin here.")] = None,
    end: Annotated[float | None, typer.Option("--to", metavar="SECONDS", min=0, help="End here.")] = None,
    segment: Annotated[
        float | None,
        typer.Option("--segment", metavar="SECONDS", min=0.001, help="Cut into records of this length."),
    ] = None,
    step: Annotated[
        float | None,
        typer.Option("--step", metavar="SECONDS", min=0.001, help="From one segment's start to the next."),
    ] = None,
    resample: Annotated[
        float | None, typer.Option("--resample", metavar="HZ", min=0.1, help="Bring signals to this rate.")
    ] = None,
    digital: Annotated[
        bool,
        typer.Option("--digital", help="Converter counts with gain and baseline in place of physical values."),
    ] = False,
    beats: Annotated[bool, typer.Option("--beats", help="Add the annotated beats of WFDB records.")] = False,
    annotations: Annotated[
        str,
        typer.Option("--annotations", metavar="SUFFIX", help="Suffix of the annotation file for --beats."),
    ] = "atr",
    fields: Annotated[
        list[str] | None,
        typer.Option("--fields", metavar="NAMES", help="Add these entries of the file's header."),
    ] = None,
    voi: image_options.Voi = "file",
    slice_of: image_options.SliceOf = None,
    phi_check: Annotated[
        bool, typer.Option("--phi-check", help="Add phi: what identifies a person, by name, never the values.")
    ] = False,
    fail_on_phi: Annotated[
        bool, typer.Option("--fail-on-phi", help="A record that may identify a person is an error.")
    ] = False,
    boxes: Annotated[
        str | None,
        typer.Option("--boxes", metavar="FORM", help="Write boxes alone: coco, vindr; to FOLDER/ voc, dicom."),
    ] = None,
    refs: Annotated[
        str | None,
        typer.Option("--refs", metavar="FILE.h5", help="Put arrays into FILE.h5, references into the lines."),
    ] = None,
    head: Annotated[int | None, typer.Option("--head", metavar="N", min=1, help="Stop after N records.")] = None,
    interleave: Annotated[
        bool, typer.Option("--interleave", help="Put the shards of one run back in order, byte for byte.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read everything, write nothing, count errors by type.")
    ] = False,
) -> int:
    """Read recordings, pictures and record streams; select, cut, resample; write records, HDF5 or WFDB.

    Inputs are WFDB, EDF, CSV and DICOM waveform files, DICOM, PNG, JPEG and TIFF images, slices of NIfTI
    volumes, folders of them, and JSON Lines or HDF5 record streams. -o FILE.jsonl, .jsonl.gz, .jsonl.zst or
    .h5 writes records, -o FOLDER/ writes WFDB, --boxes the boxes of records as other tools have them. Grey
    values come out as a viewer shows them, 8 bits; --voi none keeps the values.
    """
    if interleave:
        from medpipe.cli.interleave import interleave as merge

        return merge(NAME, run)
    if boxes is not None:
        from medpipe.cli.box_export import export

        return export(NAME, run, boxes, head)
    if digital and resample is not None:
        raise typer.BadParameter("--digital keeps the converter's counts, --resample makes new values")
    for option, value in (
        ("--from", begin),
        ("--to", end),
        ("--segment", segment),
        ("--step", step),
        ("--resample", resample),
    ):
        check_finite(option, value)
    if end is not None and end <= (begin or 0.0):
        raise typer.BadParameter(f"--from {begin or 0:g} --to {end:g}: no time lies between")
    if step is not None and segment is None:
        raise typer.BadParameter("--step goes with --segment")
    steps: dict[str, Any] = {
        "leads": split_names(leads),
        "from": begin,
        "to": end,
        "segment": segment,
        "step": step,
        "resample": resample,
        "digital": digital,
        "beats": annotations if beats else None,
        "fields": split_names(fields),
        "phi": "refuse" if fail_on_phi else "tell" if phi_check else None,
    }
    from medpipe.cli.runner import Job, run_job

    read = image_options.read_options(run.fs, voi, slice_of)
    results = {**steps, "voi": voi, "slice": slice_of}
    return run_job(
        Job(NAME, run, lambda: _prepare(steps), results, refs=refs, head=head, check=check, folders=True, read=read)
    )


def _prepare(steps: dict[str, Any]) -> tuple[Transform, str]:
    from medpipe.cli.process import one_by_one

    return one_by_one(lambda record: transform(record, steps)), ""


def transform(record: Record, steps: dict[str, Any]) -> Iterator[Record]:
    """What becomes of one record; its signal is not read yet."""
    if not any(steps.values()):
        yield record
        return
    from medpipe.cli import ecg_select

    if steps["phi"]:
        from medpipe.cli.identity import with_identity

        record = with_identity(record, refuse=steps["phi"] == "refuse")
    if steps["fields"]:
        record = ecg_select.with_fields(record, steps["fields"])
    if steps["beats"]:
        record = ecg_select.with_beats(record, steps["beats"])
    if steps["digital"]:
        record = ecg_select.as_counts(record)
    if steps["leads"]:
        record = ecg_select.select_leads(record, steps["leads"])
    if steps["from"] is not None or steps["to"] is not None:
        record = ecg_select.cut(record, steps["from"], steps["to"])
    parts = ecg_select.segments(record, steps["segment"], steps["step"]) if steps["segment"] else iter([record])
    for part in parts:
        yield ecg_select.resampled(part, steps["resample"]) if steps["resample"] else part


app = record_command(NAME, med_cat)


def run() -> None:
    """The executable."""
    execute(app, NAME)

"""ground: pictures and findings in, boxes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.command import execute, record_command
from medpipe.cli.ecg_options import KeepArrays
from medpipe.cli.image_options import SliceOf, Voi, read_options
from medpipe.cli.options import RunOptions, check_finite

if TYPE_CHECKING:
    from medpipe.cli.process import Transform

NAME = "ground"


def ground(
    run: RunOptions,
    query: Annotated[
        list[str] | None, typer.Option("-q", "--query", metavar="FINDING", help="What to look for; repeatable.")
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option("--queries", metavar="FILE", help="Findings, one a line, or a JSON object of name to sentence."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="A folder, a hub name, or smoke: tiny and untrained.")
    ] = "florence-community/Florence-2-base-ft",
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="How it is asked: florence-2, ag-kd, ag-kd-released."),
    ] = None,
    knowledge: Annotated[
        str | None, typer.Option("--knowledge", metavar="FILE", help="Own descriptions: YAML of finding to sentence.")
    ] = None,
    described: Annotated[
        bool | None,
        typer.Option("--described/--no-knowledge", help="Ask with descriptions or by name. Default: as trained."),
    ] = None,
    beams: Annotated[
        int | None, typer.Option("--beams", metavar="N", min=1, help="1 is greedy. Default: the preset's.")
    ] = None,
    max_boxes: Annotated[
        int | None, typer.Option("--max-boxes", metavar="N", min=1, help="Keep the N best of each finding.")
    ] = None,
    nms: Annotated[
        float | None,
        typer.Option("--nms", metavar="IOU", min=0, max=1, help="Of boxes that overlap by more keep the best."),
    ] = None,
    voi: Voi = "file",
    slice_of: SliceOf = None,
    keep_arrays: KeepArrays = False,
) -> int:
    """Find and box findings in images: adds boxes, present, calibrated, grounder, fit and dropped.

    Inputs are DICOM, PNG, JPEG and TIFF images, slices of NIfTI volumes, folders of them, and record
    streams. Boxes are in pixels of the image, in mm too where the spacing is known. present says how sure the
    model is that there is anything; only a model that was trained with images without the finding can tell, which
    calibrated says of all that was asked, and uncalibrated names those for which it is not so.
    """
    if knowledge is not None and described is False:
        raise typer.BadParameter("--knowledge goes without --no-knowledge")
    if queries == "-" and "-" in (run.inputs or [run.files_from or "-"]):
        raise typer.BadParameter("--queries - and the records cannot both come on standard input")
    check_finite("--nms", nms)
    from medpipe.cli.grounding import Grounding
    from medpipe.cli.queries import collect_queries
    from medpipe.cli.runner import Job, run_job

    settings: dict[str, Any] = {
        "queries": collect_queries(query, queries), "model": model, "preset": preset, "knowledge": knowledge,
        "described": described, "beams": beams, "max_boxes": max_boxes, "nms": nms, "voi": voi, "slice": slice_of,
        "keep_arrays": keep_arrays,
    }  # fmt: skip

    def prepare() -> tuple[Transform, str]:
        grounding = Grounding.open(NAME, settings, run.device, run.batch_size, quiet=run.quiet)
        return grounding.transform, grounding.label

    return run_job(Job(NAME, run, prepare, settings, read=read_options(run.fs, voi, slice_of)))


app = record_command(NAME, ground)


def run() -> None:
    """The executable."""
    execute(app, NAME)

"""From records to pictures in files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from medpipe.cli.exits import BAD_STREAM, GOOD, NO_STREAM, SOME_FAILED, USAGE, WRITE_FAILED, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items
from medpipe.cli.load import load
from medpipe.cli.process import EXPECTED
from medpipe.cli.publish import write_whole
from medpipe.cli.report import printable
from medpipe.cli.wfdb_folder import record_name
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.leads import canonical_lead
from medpipe.formats.record import lead_units, physical_signal
from medpipe.formats.registry import ReadOptions
from medpipe.formats.units import millivolts

if TYPE_CHECKING:
    from medpipe.cli.box_truth import BoxStream
    from medpipe.core.draw.saliency import Saliency

_SHOWN_SECONDS = 10.0
_RHYTHM = "II"


@dataclass(frozen=True, slots=True)
class View:
    """What to draw, and how."""

    output: str
    form: str | None
    record: str | None
    layout: str
    rhythm: str
    leads: list[str]
    begin: float
    title: str | None
    dpi: int
    read: ReadOptions
    quiet: bool
    own_voi: bool = False
    attention: str | None = None
    truth: str | None = None
    nulls: Sequence[tuple[str, str]] = ()
    panels: Sequence[str] = ()
    least: float = 30.0

    @property
    def folder(self) -> bool:
        """Whether every record gets a picture of its own."""
        return self.output.endswith("/") or (self.output != "-" and Path(self.output).is_dir())

    @property
    def kind(self) -> str:
        """png, svg or html; BadParameter for another suffix."""
        suffix = Path(self.output).suffix.lower().removeprefix(".")
        if self.form is None and not self.folder and self.output != "-" and suffix not in ("png", "svg", "html"):
            raise typer.BadParameter(f"-o {self.output}: the name must end in .png, .svg or .html, or give --format")
        return self.form or ("png" if self.folder or self.output == "-" else suffix)


def draw_all(command: str, view: View, inputs: list[str], id_scheme: str) -> int:
    """Draw one record, or every one into a folder; the exit code."""
    if not inputs and sys.stdin.isatty():
        raise Fatal(2, "no input: give a file, or pipe a stream in (--help shows how)")
    kind = view.kind
    if view.truth is not None and _is_of_text(view.truth):
        from medpipe.cli.text_stories import TextSources
        from medpipe.cli.view_text import draw_texts

        return draw_texts(command, view, TextSources([inputs or ["-"]], view.truth, view.nulls))
    if view.nulls or view.panels:
        raise Fatal(USAGE, "--null and --panels go with decoded text, and --truth FILE with the windows of fmri-align")
    options = InputOptions(inputs or ["-"], id_scheme=id_scheme, pictures=True)
    drawn, failed, more = 0, 0, False
    try:
        found, swept = _swept(_records(options, view))
        if swept:
            from medpipe.cli.view_sweep import draw_sweeps

            return draw_sweeps(command, view, found, inputs)
        records = (record for record in found if view.record in (None, record["id"]))
        for record in records:
            name = str(record["id"])
            try:
                picture = draw(record, view, kind)
                write_whole(picture, target(view, name, kind))
                drawn += 1
            except EXPECTED as error:
                failed += 1
                print(f"{command}: {printable(f'{name}: {error}')}", file=sys.stderr)
            if not view.folder:
                more = view.record is None and next(records, None) is not None
                break
    finally:
        options.close()
    if drawn + failed == 0:
        wanted = "no record" if view.record is None else f"no record {view.record}"
        raise Fatal(BAD_STREAM, f"{wanted} in the input")
    if not view.quiet and drawn:
        where = view.output if not view.folder else f"{drawn} pictures in {view.output}"
        first = f", the first record ({name}); --record ID draws another, -o FOLDER/ every one" if more else ""
        print(f"{command}: {where}{first}", file=sys.stderr)
    return SOME_FAILED if failed else GOOD


def _is_of_text(truth: str) -> bool:
    """Whether the truth is of windows of text, not of boxes. Fatal 66."""
    from medpipe.cli.text_streams import holds_texts

    if truth != "-" and not Path(truth).exists():
        raise Fatal(NO_STREAM, f"{truth}: no such file")
    return holds_texts(truth, "text")


def _records(options: InputOptions, view: View) -> Iterator[Record]:
    for path in options.inputs:
        if path != "-" and not Path(path).exists() and not Path(f"{path}.hea").exists():
            raise Fatal(NO_STREAM, f"{path}: no such file")
    for item in enumerate_items(options):
        try:
            found = load(item, view.read, keep_source=True)
        except EXPECTED as error:
            found = [{"id": item.id, "error": {"message": str(error)}}]
        yield from found


def _swept(records: Iterator[Record]) -> tuple[Iterator[Record], bool]:
    """The same records, and whether the first that did not fail is one of kv-profile sweep or bench."""
    from medpipe.cli.view_kv import is_swept, is_timed

    passed: list[Record] = []
    for record in records:
        passed.append(record)
        if "error" not in record:
            break
    return chain(passed, records), bool(passed) and (is_swept(passed[-1]) or is_timed(passed[-1]))


def target(view: View, name: str, kind: str) -> str:
    """The file of a picture: -o, or one of the record's name in that folder, which is made. Fatal 74."""
    if not view.folder:
        return view.output
    path = Path(view.output) / f"{record_name(name)}.{kind}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{path.parent}: {error.strerror}") from None
    return str(path)


def draw(record: Record, view: View, kind: str) -> bytes:
    """The picture of one record; FormatError when it has no signal to draw."""
    from medpipe.core.draw.ecg import draw_ecg
    from medpipe.core.draw.render import render

    if "error" in record:
        error = record["error"]
        raise FormatError("upstream", str(error.get("message", "?") if isinstance(error, dict) else error))
    from medpipe.cli.view_kv import draw_layers, is_profile

    if is_profile(record):
        return draw_layers(record, view, kind)
    from medpipe.cli.view_image import with_image

    record = with_image(record, view.read, own_voi=view.own_voi)
    if is_array(record.get("image")):
        return _draw_image(record, view, kind)
    if isinstance(record.get("text"), str) and "signal" not in record:
        raise FormatError(
            "no-truth", "text is drawn beside what was there: --truth FILE with the windows of fmri-align"
        )
    if view.leads:
        from medpipe.cli.ecg_select import select_leads

        record = select_leads(record, view.leads)
    signal, fs, names = physical_signal(record)
    start = round(view.begin * fs)
    if start >= signal.shape[1]:
        raise FormatError("out-of-range", f"the recording ends before {view.begin:g} s")
    shown = np.asarray(signal.read(start, min(signal.shape[1], start + round(_SHOWN_SECONDS * fs))), np.float32)
    if not np.isfinite(shown).any():
        raise FormatError("all-nan", "no sample is there to draw")
    converted = [millivolts(unit) for unit in lead_units(record)]
    factors = np.array([factor if factor is not None else 1.0 for factor, _ in converted], np.float32)
    title = view.title if view.title is not None else str(record["id"])
    scores, kind_of_score = _scores(record), record.get("score_kind")
    kind_of_score = kind_of_score if isinstance(kind_of_score, str) else None
    quality = record.get("quality")
    if view.rhythm != _RHYTHM and canonical_lead(view.rhythm) not in map(canonical_lead, names):
        raise FormatError("missing-leads", f"no lead {view.rhythm} for the rhythm strip")
    figure = draw_ecg(
        shown * factors[:, None],
        fs,
        [canonical_lead(name) for name in names],
        layout=view.layout,
        rhythm=canonical_lead(view.rhythm),
        title=title,
        scores=scores,
        score_kind=kind_of_score,
        units=[unit for _, unit in converted],
        start=view.begin,
        total_seconds=signal.shape[1] / fs,
        saliency=_saliency(record, view),
    )
    if kind != "html":
        return render(figure, kind, dpi=view.dpi)
    from medpipe.core.draw.page import html_page

    svg = render(figure, "svg", dpi=view.dpi)
    return html_page(
        svg,
        title,
        _facts(record, fs, signal.shape[1]),
        scores,
        kind_of_score,
        quality if isinstance(quality, dict) else None,
    )


def _draw_image(record: Record, view: View, kind: str) -> bytes:
    from medpipe.cli.view_image import image_figure
    from medpipe.core.draw.render import render

    title = view.title if view.title is not None else str(record["id"])
    figure = image_figure(record, title, _truth(view.truth) if view.truth is not None else None)
    if kind != "html":
        return render(figure, kind, dpi=view.dpi)
    from medpipe.core.draw.page import html_page

    shape = record["image"].shape
    facts = [("Record", str(record["id"])), ("Size", f"{shape[1]} x {shape[0]}")]
    return html_page(render(figure, "svg", dpi=view.dpi), title, facts, _scores(record), None, None)


@cache
def _truth(path: str) -> BoxStream:
    """The boxes of --truth, read once."""
    from medpipe.cli.box_truth import read_box_stream

    return read_box_stream(path)


def _saliency(record: Record, view: View) -> Saliency | None:
    """Where the model looked for the query of --attn, else for the one with the highest score."""
    from medpipe.core.draw.saliency import Saliency

    layout, weights = record.get("attention_layout"), record.get("attention")
    if weights is None or not isinstance(layout, dict):
        if view.attention is not None:
            raise FormatError("no-attention", "the record has no attention; ecg-zeroshot --attn --keep-arrays adds it")
        return None
    queries, names, seconds = layout.get("queries"), layout.get("leads"), layout.get("seconds")
    if not isinstance(queries, list) or not is_array(weights) or not isinstance(seconds, int | float) or seconds <= 0:
        raise FormatError("bad-value", "attention_layout does not fit the attention")
    rows = 1 if names is None else len(names)
    if len(weights.shape) != 3 or tuple(weights.shape[:2]) != (len(queries), rows):
        raise FormatError("bad-array", f"attention is not [{len(queries)} queries, {rows} leads, pieces]")
    scores = _scores(record) or {}
    asked = view.attention or max(queries, key=lambda query: scores.get(query, -math.inf))
    if asked not in queries:
        raise FormatError("no-attention", f"no attention for {asked}; there is for {', '.join(map(str, queries))}")
    chosen = np.asarray(materialise(weights)[queries.index(asked)], np.float32)
    return Saliency(chosen, names, float(seconds), asked, view.begin)


def _scores(record: Record) -> dict[str, float] | None:
    """The finite scores of a record; None where it has none."""
    scores = record.get("scores")
    if scores is None:
        return None
    if not isinstance(scores, dict):
        raise FormatError("bad-value", "scores is not an object of name to number")
    numbers = {name: value for name, value in scores.items() if type(value) in (int, float) and math.isfinite(value)}
    return {str(name): float(value) for name, value in numbers.items()} or None


def _facts(record: Record, fs: float, samples: int) -> list[tuple[str, str]]:
    facts = [("Record", str(record["id"])), ("Rate", f"{fs:g} Hz"), ("Length", f"{samples / fs:g} s")]
    encoder = record.get("encoder")
    if isinstance(encoder, dict):
        facts.append(("Model", f"{encoder.get('name')} ({str(encoder.get('sha256'))[:12]})"))
    return facts

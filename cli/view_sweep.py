"""Pictures of what sweep or bench wrote: every request on one, each on its own, or the layers of one record."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from medpipe.cli.exits import BAD_STREAM, GOOD, SOME_FAILED, Fatal
from medpipe.cli.publish import write_whole
from medpipe.cli.report import printable
from medpipe.cli.view_kv import draw_costs, draw_layers, draw_sweep, is_swept, is_timed, request_of
from medpipe.cli.viewing import View, target
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record


def draw_sweeps(command: str, view: View, records: Iterator[Record], inputs: list[str]) -> int:
    """Draw; the exit code. With --record a request, or a record's layers. Fatal 65 where there is none of that name."""
    pages: dict[str, list[Record]] = {}
    failed = 0
    for record in records:
        if "error" in record or not (is_swept(record) or is_timed(record)):
            failed += view.record in (None, record["id"])
        elif view.record == record["id"]:
            pages = {str(record["id"]): [record]}
            break
        elif view.record in (None, request_of(record)):
            pages.setdefault(request_of(record) if view.folder or view.record else "", []).append(record)
    if not pages:
        raise Fatal(BAD_STREAM, f"no record {view.record} in the input that can be drawn")
    drawn = 0
    for name, page in pages.items():
        try:
            write_whole(_picture(page, name or _title(inputs), view), target(view, name or "sweep", view.kind))
            drawn += 1
        except FormatError as error:
            failed += 1
            print(f"{command}: {printable(f'{name}: {error}')}", file=sys.stderr)
    if failed and not view.quiet:
        print(
            f"{command}: {failed} records are not drawn: they failed before, or are not of a sweep or of bench",
            file=sys.stderr,
        )
    if not view.quiet and drawn:
        where = view.output if not view.folder else f"{drawn} pictures in {view.output}"
        print(f"{command}: {where}", file=sys.stderr)
    return SOME_FAILED if failed else GOOD


def _picture(page: list[Record], title: str, view: View) -> bytes:
    if is_timed(page[0]):
        return draw_costs(page, title if view.title is None else view.title, view, view.kind)
    if view.record == page[0]["id"]:
        return draw_layers(page[0], view, view.kind)
    return draw_sweep(page, title if view.title is None else view.title, view, view.kind)


def _title(inputs: list[str]) -> str:
    return inputs[0] if inputs and inputs[0] != "-" else "sweep"

"""The run of fmri-align: the transcript checked first, then windows as lines that refer to their responses."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from medpipe.cli.exits import side_failure
from medpipe.cli.fmri_windows import Alignment
from medpipe.cli.inputs import SPOOL_PREFIX
from medpipe.cli.options import RunOptions
from medpipe.cli.process import Encode, Line, encode_line, one_by_one
from medpipe.cli.runner import Job, run_job
from medpipe.cli.target import choose
from medpipe.formats.arrays import ArrayReference, reference_object
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions
from medpipe.formats.transcript import read_transcript


def align(command: str, run: RunOptions, plan: Alignment, *, inline: bool) -> int:
    """Run it; the exit code. Fatal 65 or 66 for words that cannot be used."""
    if not Path(plan.words).is_dir():
        try:
            read_transcript(plan.words, plan.tier)
        except FormatError as error:
            raise side_failure(plan.words, error) from None
    target = choose(run.output, None)
    if target.encode is encode_line and not inline:
        target = replace(target, encode=_referring(target.path.parent if target.path is not None else None))
    job = Job(
        command, run, lambda: (one_by_one(plan), ""), {**asdict(plan), "inline": inline}, read=ReadOptions(series=True)
    )
    job.target = target
    return run_job(job)


def _referring(folder: Path | None) -> Encode:
    """Lines in which arrays of files stay there: paths relative to the lines' folder, absolute where they have none.

    What came on standard input has no file to stay in.
    """

    def encode(record: Record) -> Line:
        return encode_line({key: _referred(value, folder) for key, value in record.items()})

    return encode


def _referred(value: object, folder: Path | None) -> object:
    if not isinstance(value, ArrayReference):
        return value
    file = Path(value.h5).resolve()
    if file.name.startswith(SPOOL_PREFIX) and file.parent == Path(tempfile.gettempdir()).resolve():
        return value
    return reference_object(value, str(file) if folder is None else os.path.relpath(file, folder.resolve()))

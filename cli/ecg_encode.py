"""ecg-encode: ECG files or records in, embeddings out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli import ecg_options
from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions, split_names

if TYPE_CHECKING:
    from medpipe.cli.process import Transform

NAME = "ecg-encode"


def ecg_encode(
    run: RunOptions,
    model: ecg_options.Model = None,
    arch: ecg_options.Arch = None,
    preset: ecg_options.PresetName = None,
    init: ecg_options.Init = None,
    seed: ecg_options.Seed = 0,
    tokens: Annotated[bool, typer.Option("--tokens", help="Add token-level output, tokens [n, d].")] = False,
    leads: ecg_options.Leads = None,
    missing: ecg_options.Missing = "error",
    segment: ecg_options.Segment = None,
    keep_arrays: ecg_options.KeepArrays = False,
) -> int:
    """Encode ECG recordings: adds embedding, encoder, leads_used, leads_ignored, quality and windows.

    Inputs are WFDB, EDF, CSV and DICOM waveform files, folders of them, and record streams. One record in,
    one out: a long recording is encoded window by window and its embedding is the mean.
    """
    ecg_options.check_choices(missing, init, arch, model, preset, segment)
    from medpipe.cli.ecg_encoding import Encoding
    from medpipe.cli.runner import Job, run_job
    from medpipe.core.ecg.encoder import label

    settings: dict[str, Any] = {
        "model": ecg_options.model_options(model, arch, preset, init, seed, None),
        "tokens": tokens,
        "leads": split_names(leads),
        "missing": missing,
        "segment": segment,
        "keep_arrays": keep_arrays,
    }
    size = ecg_options.batch_size(run.batch_size, run.device)

    def prepare() -> tuple[Transform, str]:
        encoding = Encoding.open(NAME, settings, run.device, size)
        return encoding.transform, label(encoding.encoder)

    return run_job(Job(NAME, run, prepare, settings))


app = record_command(NAME, ecg_encode)


def run() -> None:
    """The executable."""
    execute(app, NAME)

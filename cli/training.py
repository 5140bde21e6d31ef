"""A training from the command line: data met, split, given to the objective; what happens is told and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from medpipe.cli.exits import USAGE, Fatal
from medpipe.cli.signals import StopRequest
from medpipe.cli.train_options import TrainingOptions, overridden
from medpipe.cli.training_index import TableOptions, TrainingIndex, build_index, list_recordings, split_validation
from medpipe.cli.training_loop import Teller, draw, for_loop, run_training, say
from medpipe.cli.training_source import RecordingBatches
from medpipe.cli.training_text import text_vectors
from medpipe.core.ecg.objectives import build_objective
from medpipe.core.ecg.presets import PRESETS as ENCODER_PRESETS
from medpipe.core.ecg.pretrain import pretrain
from medpipe.core.ecg.train_presets import TrainPreset, train_preset
from medpipe.core.ecg.trained_folder import RunFacts
from medpipe.core.text_embed import TextEncoder, open_text_encoder
from medpipe.core.training import distributed
from medpipe.core.training.loop import Outcome

# Inputs that could not be used and are named.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class TrainRun:
    """The options as the user gave them."""

    inputs: list[str]
    files_from: str | None
    objective: str
    preset: str | None
    changes: list[str]
    reports: str | None
    report: list[str]
    key: str
    by: str | None
    targets: str | None
    text_model: str | None
    missing: str
    workers: int
    loop: TrainingOptions

    def settings(self) -> TrainPreset:
        """The preset with the user's changes; BadParameter for what there is not."""
        text = [] if self.text_model is None else [f"text_model={self.text_model}"]
        made = overridden(train_preset, self.preset or self.objective, [*self.changes, *text])
        if made.objective != self.objective:
            raise typer.BadParameter(f"--preset {self.preset} is of the objective {made.objective}")
        return made

    def check(self, preset: TrainPreset) -> None:
        """Usage errors that the objective decides."""
        if not self.inputs and self.files_from is None:
            raise typer.BadParameter("no recordings: give files, folders or --files-from")
        if preset.objective in ("merl", "kmerl") and self.reports is None:
            raise typer.BadParameter(f"the objective {preset.objective} reads reports: give --reports")
        if preset.objective in ("kmerl", "supreme") and self.targets is None:
            raise typer.BadParameter(f"the objective {preset.objective} learns entities: give --targets")
        if self.by is not None and self.reports is None:
            raise typer.BadParameter("--by names a column of --reports")


def train(command: str, run: TrainRun) -> int:
    """Train to the end or to a signal; the exit code."""
    preset = run.settings()
    run.check(preset)
    return run_training(run.loop, lambda device, stop: _train(command, run, preset, device, stop))


def _train(
    command: str, run: TrainRun, preset: TrainPreset, device: torch.device, stop: StopRequest
) -> tuple[Outcome, int]:
    from medpipe.formats.hdf5 import close_files

    folder, first = Path(run.loop.output), distributed.rank() == 0
    index, failed = _index(run, preset)
    # Workers are forked: none of them must share an open HDF5 file.
    close_files()
    share = preset.validation_share
    trained, held = split_validation(index, share, preset.seed)
    if first and not run.loop.quiet:
        say(command, _described(index, trained, held, run))
    encoder = open_text_encoder(preset.text_model, str(device))
    queries = (
        torch.from_numpy(encoder.encode([name.lower() for name in index.names])) if index.targets is not None else None
    )
    try:
        objective = build_objective(preset, encoder.dim, queries)
    except ValueError as error:
        raise Fatal(USAGE, str(error)) from None
    vectors = _vectors(encoder, index, preset, folder, run)
    sources = [
        RecordingBatches(
            part, ENCODER_PRESETS[objective.network.preset], vectors, preset.batch, preset.seed, run.workers,
            run.missing, shuffled=part is trained,
        )
        for part in (trained, held)
        if part is not None
    ]  # fmt: skip
    if sources[0].steps(distributed.world()) < 1:
        raise Fatal(
            USAGE, f"{len(trained.items)} recordings make no batch of {preset.batch} for each process; --batch-size"
        )
    facts = RunFacts(
        text_model=encoder.name,
        text_width=encoder.dim,
        entities=tuple(index.names),
        data={
            "recordings": len(trained.items),
            "validation": len(held.items) if held else 0,
            "missing": run.missing,
            "digest": index.digest(),
        },
    )
    teller = Teller(command, run.loop, preset.epochs * sources[0].steps(distributed.world()))
    outcome = pretrain(
        objective, sources[0], sources[1] if held else None, preset, facts, folder, for_loop(run.loop, device),
        should_stop=lambda: stop.asked, tell=teller.tell,
    )  # fmt: skip
    for source in sources:
        failed |= source.failed
    if first:
        teller.end(outcome, sum(source.replaced for source in sources))
        if not run.loop.quiet:
            _name(command, failed)
        draw(folder, f"{preset.name}: {folder.name}")
    return outcome, len(failed)


def _name(command: str, failed: dict[str, str]) -> None:
    """The first inputs that could not be used, and how many there are more."""
    for ident, why in list(failed.items())[:_NAMED]:
        say(command, f"{ident} was not used: {why}")
    if len(failed) > _NAMED:
        say(command, f"nor were {len(failed) - _NAMED} other inputs")


def _index(run: TrainRun, preset: TrainPreset) -> tuple[TrainingIndex, dict[str, str]]:
    table = None
    if run.reports is not None:
        table = TableOptions(run.reports, run.key, run.report, run.by, preset.report_words)
    items, failed = list_recordings(run.inputs, run.files_from)
    return build_index(items, table, run.targets, texts=preset.objective in ("merl", "kmerl")), failed


def _vectors(
    encoder: TextEncoder, index: TrainingIndex, preset: TrainPreset, folder: Path, run: TrainRun
) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    if preset.objective == "supreme":
        return None
    # The first process makes the file, the others wait and map it.
    if distributed.rank() == 0:
        text_vectors(encoder, index.texts, folder, quiet=run.loop.quiet)
    if distributed.together():
        torch.distributed.barrier()
    return text_vectors(encoder, index.texts, folder, quiet=True)


def _described(index: TrainingIndex, trained: TrainingIndex, held: TrainingIndex | None, run: TrainRun) -> str:
    parts = [f"{len(trained.items)} recordings to train on, {len(held.items) if held else 0} to validate"]
    if index.texts:
        parts.append(f"{len(index.texts)} different reports")
    if index.names:
        parts.append(f"{len(index.names)} entities")
    parts += [f"{count} left out with {why}" for why, count in index.left_out.items() if count]
    if held and run.by is None:
        parts.append("split by recording: no --by names the patients")
    return ", ".join(parts)

"""BP-GPT's trainings from the command line: windows split by story, guarded, given to the objective of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import typer

from medpipe.cli.exits import BAD_STREAM, USAGE, Fatal
from medpipe.cli.fmri_story_split import StorySplit, counted, guard_tests, seen_stories, split_windows
from medpipe.cli.fmri_window_index import Window, WindowIndex, read_windows
from medpipe.cli.fmri_window_source import read_responses, window_batches
from medpipe.cli.signals import StopRequest
from medpipe.cli.train_options import TrainingOptions, overridden
from medpipe.cli.training_loop import Teller, draw, for_loop, run_training, say
from medpipe.cli.training_text import text_vectors
from medpipe.core.fmri.bpgpt_folder import BpGpt, new_prompt, open_bpgpt
from medpipe.core.fmri.bpgpt_objective import BrainObjective, TextObjective
from medpipe.core.fmri.bpgpt_settings import BpGptSettings, bpgpt_settings
from medpipe.core.fmri.bpgpt_training import Learnt, train_bpgpt
from medpipe.core.fmri.brain_encoder import BrainEncoder
from medpipe.core.fmri.language_models import BERT, LM, SMALL, open_bert, open_lm
from medpipe.core.fmri.matched_noise import VoxelNoise
from medpipe.core.fmri.text_prompt import TextEncoder, TextMapper
from medpipe.core.training import distributed
from medpipe.core.training.loop import Outcome

# What windows of responses must have in common.
_AGREED: Final = ("tr", "mask", "atlas", "cleaning", "lag", "volumes", "shape")
# And what a model knows of them if they have it in common.
_USUAL: Final = ("hop", "start")


@dataclass(frozen=True, slots=True)
class FmriRun:
    """The options as the user gave them."""

    inputs: list[str]
    files_from: str | None
    stage: str
    preset: str
    changes: list[str]
    lm: str | None
    bert: str | None
    text: str | None
    test: list[str]
    validation: str | None
    loop: TrainingOptions

    def settings(self) -> BpGptSettings:
        """The preset with the user's changes; BadParameter for what there is not, or does not go together."""
        made = overridden(bpgpt_settings, self.preset, self.changes)
        if (self.text is None) == (self.stage == "brain"):
            raise typer.BadParameter("--text FOLDER, of --stage text, goes with --stage brain, and only with it")
        if self.stage == "brain" and (self.lm or self.bert):
            raise typer.BadParameter("--lm and --bert go with --stage text: the brain stage has them from --text")
        if self.lm == SMALL and made.text_lm == "frozen":
            raise typer.BadParameter("--lm small is untrained: frozen it learns nothing")
        for name in ("batch", "length", "layers", "heads", "tokens", "temperature"):
            if not getattr(made, name):
                raise typer.BadParameter(f"{name} is 0: it is more")
        return made


def train(command: str, run: FmriRun) -> int:
    """Train to the end or to a signal; the exit code."""
    settings = run.settings()
    if not run.inputs and run.files_from is None:
        raise typer.BadParameter("no windows: give files, or --files-from")
    return run_training(run.loop, lambda device, stop: _train(command, run, settings, device, stop))


def _train(
    command: str, run: FmriRun, settings: BpGptSettings, device: torch.device, stop: StopRequest
) -> tuple[Outcome, int]:
    folder, first = Path(run.loop.output), distributed.rank() == 0
    index = read_windows(run.inputs, run.files_from, responses=run.stage == "brain")
    facts: dict[str, Any] = {}
    if run.stage == "brain":
        facts = {name: index.agreed(name) for name in _AGREED} | {name: index.usual(name) for name in _USUAL}
    begun = open_bpgpt(run.text) if run.text is not None else None
    data = split_windows(index, settings.validation_share, settings.seed, run.validation, begun)
    guard_tests(run.test, seen_stories(data, begun))
    if first and not run.loop.quiet:
        say(command, _described(data, index, settings, facts, begun))
    steps = len(data.trained.windows) // (settings.batch * distributed.world())
    if steps < 1:
        raise Fatal(USAGE, f"{len(data.trained.windows)} windows make no batch of {settings.batch} for each process")
    settings = settings.override({"warmup": settings.warmup_epochs * steps})
    objective: TextObjective | BrainObjective
    if begun is None:
        objective, bert, learnt = _text_stage(run, settings, data)
    else:
        objective, bert, learnt = _brain_stage(begun, settings, data, facts["shape"])
    learnt = Learnt(
        {**learnt.facts, **facts, **data.facts()}, seen_stories(data, begun), learnt.noise, learnt.bert
    )  # fmt: skip
    bert.model.to(device)
    beside = begun.place.parent if begun is not None else None
    vectors = [
        text_vectors(bert, [one.text for one in part.windows], folder, quiet=run.loop.quiet, beside=beside)
        for part in data.parts()
    ]
    bert.model.to("cpu")
    sources, cut = window_batches([part.windows for part in data.parts()], vectors, objective.lm, settings)
    if cut and first and not run.loop.quiet:
        say(command, f"{cut} texts have more than {settings.tokens} tokens and were cut")
    teller = Teller(command, run.loop, settings.epochs * steps)
    outcome = train_bpgpt(
        objective, sources[0], sources[1] if len(sources) > 1 else None, learnt, folder, for_loop(run.loop, device),
        should_stop=lambda: stop.asked, tell=teller.tell,
    )  # fmt: skip
    if first:
        teller.end(outcome, 0)
        draw(folder, f"{settings.name}, {run.stage}: {folder.name}")
    return outcome, 0


def _text_stage(run: FmriRun, settings: BpGptSettings, data: StorySplit) -> tuple[TextObjective, TextEncoder, Learnt]:
    texts = [window.text for window in data.trained.windows]
    lm, known = open_lm(run.lm or LM, texts, settings.seed)
    bert, of_bert = open_bert(run.bert or BERT, texts, settings.seed)
    shape = {"given": bert.dim, "width": lm.width}
    torch.manual_seed(settings.seed)
    mapper = _prompt("text", settings, shape)
    objective = TextObjective(lm, mapper, settings)  # type: ignore[arg-type]
    return objective, bert, Learnt({"begun_with": {"lm": known, "bert": of_bert}, "prompt": shape}, bert=bert)


def _brain_stage(
    begun: BpGpt, settings: BpGptSettings, data: StorySplit, shape: list[int]
) -> tuple[BrainObjective, TextEncoder, Learnt]:
    mapper, own = begun.prompt, begun.settings
    if not isinstance(mapper, TextMapper):
        raise Fatal(BAD_STREAM, f"--text {begun.facts['name']} is of the brain stage: give the folder of --stage text")
    if own.length != settings.length or (own.stop == "end") != (settings.stop == "end"):
        raise Fatal(
            USAGE,
            f"the text stage has length={own.length} stop={own.stop}, this one length={settings.length}"
            f" stop={settings.stop}: give both the same preset",
        )
    sizes = {"times": shape[0], "voxels": shape[1], "width": begun.lm.width}
    noise = VoxelNoise.of(_read(data.trained.windows))
    if not noise.spread.any():
        raise Fatal(BAD_STREAM, "the responses of all voxels are constant: there is nothing to learn from")
    torch.manual_seed(settings.seed)
    encoder = _prompt("brain", settings, sizes)
    objective = BrainObjective(begun.lm, mapper, encoder, settings)  # type: ignore[arg-type]
    return objective, begun.bert(), Learnt({"begun_with": {"text": begun.facts}, "prompt": sizes}, noise=noise)


def _read(windows: list[Window]) -> Any:
    return (read_responses(window) for window in windows)


def _prompt(stage: str, settings: BpGptSettings, shape: dict[str, int]) -> TextMapper | BrainEncoder:
    try:
        return new_prompt(stage, settings, shape)
    except ValueError as error:
        raise Fatal(USAGE, f"{error}: --set heads=N") from None


def _described(
    data: StorySplit, index: WindowIndex, settings: BpGptSettings, facts: dict[str, Any], begun: BpGpt | None
) -> str:
    held = data.held
    chooses = f"{len(held.windows)} of {counted(held)}" if held is not None else "none"
    parts = [f"{len(data.trained.windows)} windows of {counted(data.trained)} to train on, {chooses} to validate"]
    if held is None:
        parts.append("nothing is held out, so no best weights are chosen")
    elif begun is not None and (known := np.isin(held.stories(), begun.said["stories"]["trained"])).any():
        parts.append(f"the language model has learnt from {int(known.sum())} of the stories that choose")
    if begun is not None and facts["lag"] is not None and facts["lag"] != settings.lag_tr:
        parts.append(f"the windows have a lag of {facts['lag']} volumes, {settings.name} is for {settings.lag_tr}")
    if index.failed:
        parts.append(f"{index.failed} error records left out")
    return ", ".join(parts)

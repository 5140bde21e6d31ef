"""A grounding model's training from the command line: pictures met with boxes, split, given to the objective."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import typer

from medpipe.cli.exits import BAD_STREAM, USAGE, Fatal
from medpipe.cli.grounding_index import PictureIndex, index_pictures, split_pictures
from medpipe.cli.grounding_knowledge import open_knowledge
from medpipe.cli.grounding_source import PictureBatches
from medpipe.cli.signals import StopRequest
from medpipe.cli.train_options import TrainingOptions, overridden
from medpipe.cli.training_loop import Teller, draw, for_loop, run_training, say
from medpipe.core.training import distributed
from medpipe.core.training.loop import Outcome
from medpipe.core.vision.findings import Knowledge
from medpipe.core.vision.florence import Florence, tower_stride
from medpipe.core.vision.florence_new import SIZES, new_florence
from medpipe.core.vision.ground_objective import GroundObjective
from medpipe.core.vision.ground_settings import GroundSettings, ground_settings
from medpipe.core.vision.ground_training import train_grounding
from medpipe.core.vision.grounding_folder import open_model
from medpipe.core.vision.grounding_prompt import TEMPLATES, grounding_prompt
from medpipe.formats.registry import ReadOptions


@dataclass(frozen=True, slots=True)
class GroundRun:
    """The options as the user gave them."""

    inputs: list[str]
    files_from: str | None
    boxes: str
    labels: list[str]
    model: str
    preset: str | None
    changes: list[str]
    knowledge: str | None
    described: bool
    validation: str | None
    by: str | None
    read: ReadOptions
    workers: int
    loop: TrainingOptions

    def settings(self) -> GroundSettings:
        """The preset with the user's changes; BadParameter for what there is not."""
        usual = "ground-small" if self.model in SIZES else "ground"
        made = overridden(ground_settings, self.preset or usual, self.changes)
        if made.template not in TEMPLATES:
            raise typer.BadParameter(f"no template {made.template}; there are {', '.join(TEMPLATES)}")
        if self.model in SIZES and (made.tower == "frozen" or made.lora_rank):
            raise typer.BadParameter(f"--model {self.model} is untrained: with a frozen part it learns nothing")
        if made.side % 32 or not made.side:
            raise typer.BadParameter(f"side {made.side}: a model's input has a multiple of 32 pixels a side")
        if made.dense_epochs and not made.dense_weight:
            raise typer.BadParameter("dense_epochs learn by a loss of which the dense_weight is 0")
        return made


def train(command: str, run: GroundRun) -> int:
    """Train to the end or to a signal; the exit code."""
    settings = run.settings()
    if not run.inputs and run.files_from is None:
        raise typer.BadParameter("no pictures: give files, folders or --files-from")
    return run_training(run.loop, lambda device, stop: _train(command, run, settings, device, stop))


def _train(
    command: str, run: GroundRun, settings: GroundSettings, device: torch.device, stop: StopRequest
) -> tuple[Outcome, int]:
    from medpipe.formats.hdf5 import close_files

    folder, first = Path(run.loop.output), distributed.rank() == 0
    index = index_pictures(run.inputs, run.files_from, run.boxes, run.labels, run.by)
    # Workers are forked: none of them must share an open HDF5 file.
    close_files()
    trained, held = split_pictures(index, settings.validation_share, settings.seed, run.validation)
    knowledge = open_knowledge(run.knowledge, run.described)
    if first and not run.loop.quiet:
        say(command, _described(index, trained, held, knowledge, run))
    florence, begun = _begin(run, settings, index, knowledge, str(device))
    _check_room(florence, settings, index, knowledge)
    objective = GroundObjective(florence, settings, index.names)
    sources = [
        PictureBatches(part, settings, florence.tokenizer, knowledge, run.read, run.workers, shuffled=part is trained)
        for part in (trained, held)
        if part is not None
    ]
    steps = sources[0].steps(distributed.world())
    if steps < 1:
        raise Fatal(USAGE, f"{len(trained.items)} pictures make no batch of {settings.batch} for each process")
    data = {"pictures": len(trained.items), "validation": len(held.items) if held else 0, "digest": index.digest()}
    facts = {"begun_with": begun, "descriptions": _sentences(index, knowledge), "data": data}
    teller = Teller(command, run.loop, settings.epochs * steps)
    outcome = train_grounding(
        objective, sources[0], sources[1] if held else None, facts, folder, for_loop(run.loop, device),
        should_stop=lambda: stop.asked, tell=teller.tell,
    )  # fmt: skip
    replaced = sum(source.replaced for source in sources)
    if first:
        teller.end(outcome, replaced)
        draw(folder, f"{settings.name}: {folder.name}")
    return outcome, replaced


def _check_room(florence: Florence, settings: GroundSettings, index: PictureIndex, knowledge: Knowledge | None) -> None:
    """Fatal 65 for a question or an answer that is longer than the model counts."""
    known = _sentences(index, knowledge)
    room = florence.places
    for name in index.names:
        asked = florence.tokenizer(grounding_prompt(name.lower(), known.get(name), settings.template))["input_ids"]
        most = max(sum(label == name for label, _ in boxes) for boxes in index.boxes)
        label = len(florence.tokenizer(name.lower())["input_ids"])
        told = most * (4 + label * settings.repeat_label) + label + 1
        if len(asked) + (settings.side // tower_stride(florence.model)) ** 2 + 1 > room or told > room:
            raise Fatal(
                BAD_STREAM,
                f"{name[:60]}: its text, or {most} boxes in one picture, are more than the model's {room} tokens",
            )


def _sentences(index: PictureIndex, knowledge: Knowledge | None) -> dict[str, str]:
    """What is said of each finding; nothing where they are asked for by name."""
    known = {name: knowledge.sentence(name) if knowledge else None for name in index.names}
    return {name: sentence for name, sentence in known.items() if sentence is not None}


def _begin(
    run: GroundRun, settings: GroundSettings, index: PictureIndex, knowledge: Knowledge | None, device: str
) -> tuple[Florence, dict[str, Any]]:
    """The model to begin with, and what is known of it: an untrained one of a size, else a checkpoint."""
    if run.model in SIZES:
        known = _sentences(index, knowledge)
        texts = [grounding_prompt(name.lower(), known.get(name), settings.template) for name in index.names]
        return new_florence(run.model, texts, settings.side, settings.seed), {"untrained": run.model}
    opened = open_model(run.model, None, device)
    return opened.florence, {name: opened.facts.get(name) for name in ("name", "sha256")}


def _described(
    index: PictureIndex, trained: PictureIndex, held: PictureIndex | None, knowledge: Knowledge | None, run: GroundRun
) -> str:
    count = sum(map(len, index.boxes))
    parts = [f"{_counted(len(trained.items), 'picture')} to train on, {len(held.items) if held else 0} to validate",
             f"{_counted(count, 'box', 'es')} of {_counted(len(index.names), 'finding')}"]  # fmt: skip
    if held is None:
        parts.append("nothing is held out, so no best weights are chosen")
    if knowledge is not None:
        unknown = [name for name in index.names if knowledge.sentence(name) is None]
        if unknown:
            parts.append(f"no description of {', '.join(unknown[:8])}")
    if held is not None and held.unmet:
        parts.append(f"{_counted(held.unmet, 'name')} of --validation match no picture")
    if index.without:
        parts.append(f"{_counted(index.without, 'picture')} left out of which {run.boxes} says nothing")
    if index.unseen:
        parts.append(f"{index.unseen} annotated pictures are not among the inputs")
    return ", ".join(parts)


def _counted(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"

"""The training of either stage of BP-GPT: FOLDER/best and FOLDER/last, each opened by `fmri-decode --model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medpipe.core.fmri.bpgpt_batch import WindowBatch
from medpipe.core.fmri.bpgpt_folder import (
    BERT,
    LM,
    MODEL,
    PROMPT,
    STORIES,
    VOXELS,
    digest_of,
    write_description,
    write_pretrained,
    write_tensors,
)
from medpipe.core.fmri.bpgpt_objective import NLL, BrainObjective, TextObjective
from medpipe.core.fmri.matched_noise import VoxelNoise
from medpipe.core.fmri.story_leaks import Grams
from medpipe.core.fmri.text_prompt import TextEncoder
from medpipe.core.training.batches import BatchSource
from medpipe.core.training.loop import METRICS, Line, Outcome, RunOptions, Which, train
from medpipe.core.training.patience import Patience


@dataclass(frozen=True, slots=True)
class Learnt:
    """What goes with the weights.

    Args:
        facts: of the data and of what was begun with, in JSON's types; `shape` among them, see `new_prompt`.
        stories: runs of words of all stories that are learnt from or choose.
        noise: of the responses, in the brain stage.
        bert: the encoder of texts, in the text stage.
    """

    facts: Mapping[str, Any]
    stories: Mapping[str, Grams] = field(default_factory=dict)
    noise: VoxelNoise | None = None
    bert: TextEncoder | None = None


class _Folder:
    """Where the model goes."""

    def __init__(self, path: Path, objective: TextObjective | BrainObjective, learnt: Learnt) -> None:
        self.path, self._objective, self._learnt = path, objective, learnt
        settings = objective.settings
        self._stage = "brain" if isinstance(objective, BrainObjective) else "text"
        self._tuned = (settings.brain_lm if self._stage == "brain" else settings.text_lm) == "tuned"
        self.described: Mapping[str, Any] = {
            "stage": self._stage, "train_preset": settings.facts(), "train_preset_digest": settings.digest,
            **learnt.facts,
        }  # fmt: skip

    def describe(self, result: Mapping[str, Any]) -> None:
        for which in ("best", "last"):
            if (self.path / which / MODEL).is_file():
                self._describe(which, result)

    def _describe(self, which: str, result: Mapping[str, Any]) -> None:
        write_description(
            self.path / which, {"run": digest_of(self.described), **self.described, "result": dict(result)}
        )

    def write_weights(self, which: Which, place: Mapping[str, Any]) -> None:
        folder, objective = self.path / which, self._objective
        # Written last: without it the files before may be torn.
        if not (folder / MODEL).is_file():
            self._write_static(folder)
        elif self._tuned:
            write_tensors(folder / LM / "model.safetensors", objective.lm.model.state_dict())
        prompt = objective.encoder if isinstance(objective, BrainObjective) else objective.mapper
        write_tensors(folder / PROMPT, prompt.state_dict())
        self._describe(which, place)

    def _write_static(self, folder: Path) -> None:
        lm, learnt = self._objective.lm, self._learnt
        write_pretrained(folder / LM, lm.model, lm.texts.tokenizer)
        write_tensors(folder / STORIES, {name: torch.from_numpy(rows) for name, rows in learnt.stories.items()})
        if learnt.noise is not None:
            noise = learnt.noise
            rows: dict[str, Tensor] = {"mean": torch.from_numpy(noise.mean), "spread": torch.from_numpy(noise.spread),
                                       "memory": torch.from_numpy(noise.memory)}  # fmt: skip
            write_tensors(folder / VOXELS, rows)
        if learnt.bert is not None and not (self.path / BERT / "model.safetensors").is_file():
            write_pretrained(self.path / BERT, learnt.bert.model, learnt.bert.tokenizer)

    def rename_weights(self, which: Which) -> None:
        """The run stands in medpipe.json, which `describe` writes anew."""


def train_bpgpt(
    objective: TextObjective | BrainObjective,
    source: BatchSource[WindowBatch],
    validation: BatchSource[WindowBatch] | None,
    learnt: Learnt,
    folder: Path,
    options: RunOptions,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Line], None] = lambda line: None,
) -> Outcome:
    """Train and fill `folder`, as `loop.train` has it; it has ended, too, when the settings' patience is over."""
    settings = objective.settings
    patience = Patience(settings.patience, NLL)

    def ended() -> bool:
        patience.so_far(folder / METRICS)
        return patience.over

    def note(line: Line) -> None:
        patience.note(line)
        tell(line)

    place = _Folder(folder, objective, learnt)
    outcome = train(
        objective, source, validation, settings, place, options,
        should_stop=lambda: should_stop() or patience.over, ended=ended, tell=note,
    )  # fmt: skip
    if outcome.status == "stopped" and not should_stop():
        return Outcome("finished", outcome.step, outcome.epoch, outcome.best, outcome.best_step)
    return outcome

"""The training of a grounding model: FOLDER/best and FOLDER/last, each opened by `ground --model` and transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medpipe.core.training.batches import BatchSource
from medpipe.core.training.loop import Line, Outcome, RunOptions, Which, train
from medpipe.core.vision.ground_batch import GroundBatch
from medpipe.core.vision.ground_objective import GroundObjective
from medpipe.core.vision.grounding_folder import (
    MODEL,
    asked_absent,
    digest_of,
    write_description,
    write_static,
    write_weights,
)


class _Folder:
    """Where the model goes. `facts` are of the data, the model that was begun with, what was described."""

    def __init__(self, path: Path, objective: GroundObjective, facts: Mapping[str, Any]) -> None:
        self.path, self._objective = path, objective
        settings = objective.settings
        self._preset = settings.preset(path.name)
        # What the weights in each folder had been asked when they were written.
        self._absent: dict[str, dict[str, int]] = {}
        self.described: Mapping[str, Any] = {
            "train_preset": settings.facts(), "train_preset_digest": settings.digest,
            "findings": list(objective.names), **facts,
        }  # fmt: skip

    def describe(self, result: Mapping[str, Any]) -> None:
        for which in ("best", "last"):
            if (self.path / which / MODEL).is_file():
                self._describe(which, result)

    def _describe(self, which: str, result: Mapping[str, Any]) -> None:
        more = {"run": digest_of(self.described), **self.described, "result": dict(result)}
        absent = self._absent.get(which) or asked_absent(self.path / which)
        write_description(self.path / which, self._preset, absent=absent, trained=True, more=more)

    def write_weights(self, which: Which, place: Mapping[str, Any]) -> None:
        folder = self.path / which
        # Written last: without it the files before may be torn.
        if not (folder / MODEL).is_file():
            write_static(folder, self._objective.florence)
        write_weights(folder, self._objective.whole_weights())
        self._absent[which] = {name: self._objective.absent[name] for name in self._objective.names}
        self._describe(which, place)

    def rename_weights(self, which: Which) -> None:
        """The run stands in medpipe.json, which `describe` writes anew."""


def train_grounding(
    objective: GroundObjective,
    source: BatchSource[GroundBatch],
    validation: BatchSource[GroundBatch] | None,
    facts: Mapping[str, Any],
    folder: Path,
    options: RunOptions,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Line], None] = lambda line: None,
) -> Outcome:
    """Train and fill `folder`, as `loop.train` has it."""
    place = _Folder(folder, objective, facts)
    return train(objective, source, validation, objective.settings, place, options, should_stop=should_stop, tell=tell)

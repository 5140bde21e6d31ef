"""Pre-training of an ECG encoder: an objective and batches in, the folder of a trained encoder out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medpipe.core.ecg.objective import Objective
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.ecg.train_presets import TrainPreset
from medpipe.core.ecg.trained_folder import (
    RunFacts,
    describe,
    rename_weights,
    run_digest,
    write_description,
    write_weights,
)
from medpipe.core.training.batches import BatchSource
from medpipe.core.training.loop import Line, Outcome, RunOptions, Which, train


class _Folder:
    """best.safetensors, last.safetensors and model.json of an objective."""

    def __init__(self, path: Path, objective: Objective, preset: TrainPreset, facts: RunFacts) -> None:
        self.path, self._objective = path, objective
        self.described: Mapping[str, Any] = describe(objective, preset, facts)

    def describe(self, result: Mapping[str, Any]) -> None:
        write_description(self.path, self.described, result)

    def write_weights(self, which: Which, place: Mapping[str, Any]) -> None:
        write_weights(self.path, which, self._objective, run_digest(self.described), place)

    def rename_weights(self, which: Which) -> None:
        rename_weights(self.path, which, run_digest(self.described))


def pretrain(
    objective: Objective,
    source: BatchSource[Batch],
    validation: BatchSource[Batch] | None,
    preset: TrainPreset,
    facts: RunFacts,
    folder: Path,
    options: RunOptions | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Line], None] = lambda line: None,
) -> Outcome:
    """Train `objective` (from `build_objective`, or with weights of its own) and fill `folder`, as `loop.train` has it.

    `source` has batches of at least two records where the loss is contrastive; `facts` stand in model.json. On several
    processes batch norm sees each one's own batch, so that an encoder with batch norm trains a little differently
    on two processes than on one with the joined batch; one without does not.
    """
    place = _Folder(folder, objective, preset, facts)
    return train(objective, source, validation, preset, place, options, should_stop=should_stop, tell=tell)

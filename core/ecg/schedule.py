"""The learning rate as a function of the step, so that a resumed training needs no state of it."""

from __future__ import annotations

import math

from medpipe.core.ecg.train_presets import TrainPreset


def learning_rate(preset: TrainPreset, step: int, steps: int) -> float:
    """The rate of step `step`, from 0, of a training of `steps`.

    cosine-restarts falls from `lr` to `lowest_lr` in `period` steps, again and again, as MERL's
    CosineAnnealingWarmRestarts with one length does; cosine rises linearly for `warmup` steps and falls once.
    """
    if preset.schedule == "constant":
        return preset.lr
    if preset.schedule == "cosine-restarts":
        return _fall(preset, (step % preset.period) / preset.period)
    if step < preset.warmup:
        return preset.lr * (step + 1) / preset.warmup
    return _fall(preset, (step - preset.warmup) / max(1, steps - preset.warmup))


def ends_with_the_run(preset: TrainPreset) -> bool:
    """Whether the rate at a step depends on how many there will be, so that a longer run is another from the start."""
    return preset.schedule == "cosine"


def _fall(preset: TrainPreset, share: float) -> float:
    return preset.lowest_lr + (preset.lr - preset.lowest_lr) * (1 + math.cos(math.pi * min(share, 1.0))) / 2

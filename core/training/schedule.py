"""The learning rate as a function of the step, so that a resumed training needs no state of it."""

from __future__ import annotations

import math

from medpipe.core.training.settings import TrainSettings


def learning_rate(settings: TrainSettings, step: int, steps: int) -> float:
    """The rate of step `step`, from 0, of a training of `steps`.

    cosine-restarts falls from `lr` to `lowest_lr` in `period` steps, again and again, as MERL's
    CosineAnnealingWarmRestarts with one length does; cosine rises linearly for `warmup` steps and falls once.
    """
    if settings.schedule == "constant":
        return settings.lr
    if settings.schedule == "cosine-restarts":
        return _fall(settings, (step % settings.period) / settings.period)
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    return _fall(settings, (step - settings.warmup) / max(1, steps - settings.warmup))


def ends_with_the_run(settings: TrainSettings) -> bool:
    """Whether the rate at a step depends on how many there will be, so that a longer run is another from the start."""
    return settings.schedule == "cosine"


def _fall(settings: TrainSettings, share: float) -> float:
    return settings.lowest_lr + (settings.lr - settings.lowest_lr) * (1 + math.cos(math.pi * min(share, 1.0))) / 2

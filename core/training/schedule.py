"""The learning rate as a function of the step, so that a resumed training needs no state of it."""

from __future__ import annotations

import math
from typing import Final

from medpipe.core.training.settings import TrainSettings

# Of one-cycle: the share of the steps that rise, how far below `lr` they begin, and how far below that they end.
_RISE: Final = 0.2
_BEGIN: Final = 25.0
_END: Final = 1e4
# Its first beta falls while the rate rises, and the other way.
_BETAS: Final = (0.95, 0.85)


def learning_rate(settings: TrainSettings, step: int, steps: int) -> float:
    """The rate of step `step`, from 0, of a training of `steps`.

    cosine-restarts falls from `lr` to `lowest_lr` in `period` steps, again and again, as MERL's
    CosineAnnealingWarmRestarts with one length does; cosine rises linearly for `warmup` steps and falls once;
    linear does so in a straight line; one-cycle is that of Smith and Topin (arXiv 1708.07120) as torch's OneCycleLR
    has it, by cosines.
    """
    if settings.schedule == "constant":
        return settings.lr
    if settings.schedule == "one-cycle":
        begin = settings.lr / _BEGIN
        return _cycle(begin, settings.lr, begin / _END, step, steps)
    if settings.schedule == "cosine-restarts":
        return _fall(settings, (step % settings.period) / settings.period)
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    share = (step - settings.warmup) / max(1, steps - settings.warmup)
    if settings.schedule == "linear":
        return settings.lr + (settings.lowest_lr - settings.lr) * share
    return _fall(settings, share)


def first_beta(settings: TrainSettings, step: int, steps: int) -> float:
    """AdamW's first beta of a step: that of the settings, but for one-cycle, which has its own."""
    if settings.schedule != "one-cycle":
        return settings.beta1
    high, low = _BETAS
    return _cycle(high, low, high, step, steps)


def ends_with_the_run(settings: TrainSettings) -> bool:
    """Whether the rate at a step depends on how many there will be, so that a longer run is another from the start."""
    return settings.schedule in ("cosine", "linear", "one-cycle")


def _fall(settings: TrainSettings, share: float) -> float:
    return settings.lowest_lr + (settings.lr - settings.lowest_lr) * _wave(share)


def _cycle(begin: float, middle: float, end: float, step: int, steps: int) -> float:
    top = _RISE * steps - 1
    # A run of up to five steps has no room to rise.
    if top > 0 and step <= top:
        return middle + (begin - middle) * _wave(step / top)
    return end + (middle - end) * _wave((step - top) / (steps - 1 - top))


def _wave(share: float) -> float:
    """From 1 at 0 to 0 at 1."""
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2

"""The loop of every training: batches in, a folder with the trained model out, resumable at any step.

On several processes (torchrun; join by `distributed.join`) the gradients are averaged by DistributedDataParallel,
and process 0 validates and writes. Batch norm sees each process's own batch, so that an encoder with batch norm
trains a little differently on two processes than on one with the joined batch; one without does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from medpipe.core.errors import ModelError
from medpipe.core.training import distributed, state
from medpipe.core.training.batches import Batch, BatchSource
from medpipe.core.training.metrics_log import MetricsLog
from medpipe.core.training.objective import Objective
from medpipe.core.training.schedule import ends_with_the_run, first_beta, learning_rate
from medpipe.core.training.settings import TrainSettings
from medpipe.core.training.state import STATE, Parts, Position

METRICS: Final = "metrics.jsonl"
# Facts of a run that only tell how long it is.
_LENGTH: Final = ("steps", "train_preset.epochs", "train_preset_digest")
Which = Literal["best", "last"]
_WEIGHTS: Final[tuple[Which, ...]] = ("best", "last")
_STATE_EVERY: Final = 500
Line = dict[str, Any]


class ModelFolder(Protocol):
    """Where a training leaves its model. `described` are the run's facts, in JSON's types: another run has others."""

    path: Path
    described: Mapping[str, Any]

    def describe(self, result: Mapping[str, Any]) -> None:
        """Write what is known of the run, and how far it came."""
        ...

    def write_weights(self, which: Which, place: Mapping[str, Any]) -> None:
        """Write the weights as they are now."""
        ...

    def rename_weights(self, which: Which) -> None:
        """Let weights that are there, if any, belong to this run: the same run, made longer."""
        ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a training runs, which changes nothing of what is learnt but for `max_steps` and the device's rounding.

    Args:
        device: where the network is.
        resume: go on from the folder's state, or begin where there is none.
        checkpoint_every: steps between states; None for the end of every epoch and every 500 steps.
        log_every: steps between lines of metrics.
        validate_every: steps between validations; None for the end of every epoch.
        max_steps: end after so many steps, or after the settings' epochs if they are fewer.
        compile: run the encoder through torch.compile.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    resume: bool = False
    checkpoint_every: int | None = None
    log_every: int = 10
    validate_every: int | None = None
    max_steps: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        counts = (self.checkpoint_every, self.log_every, self.validate_every, self.max_steps)
        if any(count is not None and count < 1 for count in counts):
            raise ValueError("steps between states, lines and validations, and the most steps, are from 1 on")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a training came to its end, where it is, and its best validation (None without one)."""

    status: Literal["finished", "stopped"]
    step: int
    epoch: int
    best: float | None
    best_step: int


def train(
    objective: Objective,
    source: BatchSource[Batch],
    validation: BatchSource[Batch] | None,
    settings: TrainSettings,
    folder: ModelFolder,
    options: RunOptions | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    ended: Callable[[], bool] = lambda: False,
    tell: Callable[[Line], None] = lambda line: None,
) -> Outcome:
    """Train `objective`; its folder gets the weights, metrics.jsonl and state.pt.

    Args:
        objective: every process the same.
        source: what is trained on.
        validation: read by process 0 alone, as one process of one; None for none, and then nothing is chosen.
        settings: what the loop goes by.
        folder: one that all processes see.
        options: how to run.
        should_stop: asked after every step; once true in any process, a state is written and the run ends `stopped`.
        ended: asked in process 0 before the first step, when metrics.jsonl is cut back to the state that is gone on
            from; once true no step is taken.
        tell: gets every line of metrics, in process 0.

    A run cut off at any time, by SIGKILL too, goes on with `resume` and writes the same metrics, on a CPU to the
    bit, but for the key `timing`. A finished run goes on with more epochs or steps where its schedule does not fall
    over the whole run. Raises ModelError where the folder holds another run, or holds one and `resume`
    is not set; FloatingPointError when the loss is no longer finite.
    """
    trainer = _Trainer(objective, source, validation, settings, folder, options or RunOptions())
    try:
        return trainer.run(should_stop, ended, tell)
    finally:
        trainer.close()


class _Trainer:
    """One run, from its state or the beginning to its end or a stop."""

    def __init__(
        self, objective: Objective, source: BatchSource[Batch], validation: BatchSource[Batch] | None,
        settings: TrainSettings, folder: ModelFolder, options: RunOptions,
    ) -> None:  # fmt: skip
        self.source, self.validation, self.settings = source, validation, settings
        self.folder, self.options = folder, options
        self.epoch_steps = source.steps(distributed.world())
        if self.epoch_steps < 1:
            raise ValueError("there is not one training batch for each process")
        self.steps = min(settings.epochs * self.epoch_steps, options.max_steps or settings.epochs * self.epoch_steps)
        self.description = {**folder.described, "processes": distributed.world(), "steps": self.steps}
        self.objective = objective.to(options.device)
        trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(
            trained, lr=settings.lr, betas=(settings.beta1, settings.beta2), eps=settings.epsilon,
            weight_decay=settings.weight_decay,
        )  # fmt: skip
        half = settings.precision == "fp16" and options.device.type == "cuda"
        self.parts = Parts(objective, optimiser, torch.amp.GradScaler("cuda", enabled=half), options.device)
        self.position = Position()
        self.log: MetricsLog | None = None
        self._begin()
        if options.compile:
            for part in objective.compiled_parts():
                part.compile()
        self.module: nn.Module = objective
        if distributed.together():
            self.module = DistributedDataParallel(objective, find_unused_parameters=objective.rests)

    def _begin(self) -> None:
        """Take up the folder's state, or draw from the settings' seed."""
        found, metrics = self.folder.path / STATE, self.folder.path / METRICS
        if not self.options.resume and (found.exists() or metrics.exists()):
            raise ModelError(f"{self.folder.path} holds a training already: resume it, or name another folder")
        # Each process drops out other units; masks are drawn alike in all.
        torch.manual_seed(self.settings.seed + distributed.rank())
        if found.exists():
            self.position = self._restored(found)
        # Only when all have looked may the first file appear.
        distributed.wait()
        if distributed.rank() == 0:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            self.log = MetricsLog(metrics, self.position.metrics_bytes)
            if self.position.step:
                self._describe()
                for which in _WEIGHTS:
                    self.folder.rename_weights(which)

    def _restored(self, path: Path) -> Position:
        fixed = ends_with_the_run(self.settings)
        position = state.restore(path, self.parts, self.description, () if fixed else _LENGTH)
        if position.step > self.steps:
            raise ModelError(
                f"{self.folder.path} has come to step {position.step}, further than the {self.steps} asked for"
            )
        return position

    def run(self, should_stop: Callable[[], bool], ended: Callable[[], bool], tell: Callable[[Line], None]) -> Outcome:
        """To the last step, or to the one after which it should stop."""
        self.tell, stopped = tell, distributed.any_of(self.log is not None and ended(), self.options.device)
        self.since, self.records = time.monotonic(), 0
        while self.position.step < self.steps and not stopped:
            stopped = self._epoch(should_stop)
        return self._outcome("stopped" if self.position.step < self.steps else "finished")

    def close(self) -> None:
        """Let go of the files."""
        if self.log is not None:
            self.log.close()

    def _epoch(self, should_stop: Callable[[], bool]) -> bool:
        """The rest of the epoch begun; whether to stop."""
        place = self.position
        source = self.source.batches(place.epoch, distributed.rank(), distributed.world(), place.batch)
        for batch in source:
            losses = self._step(batch)
            ended, finished = place.batch == self.epoch_steps, place.step == self.steps
            if place.step % self.options.log_every == 0 or finished:
                self._log_step(losses)
            if self._validation_due(ended, finished):
                self._validate()
            if ended:
                place.epoch, place.batch = place.epoch + 1, 0
            stop = distributed.any_of(should_stop(), self.options.device)
            if stop or finished or self._checkpoint_due(ended):
                self._checkpoint(losses)
            if stop or ended or finished:
                return stop
        raise ValueError(f"the source ended after {place.batch} batches of an epoch of {self.epoch_steps}")

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        self.objective.train()
        settings, optimiser, scaler = self.settings, self.parts.optimiser, self.parts.scaler
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, self.position.step, self.steps)
            group["betas"] = (first_beta(settings, self.position.step, self.steps), settings.beta2)
        optimiser.zero_grad(set_to_none=True)
        with self._precision():
            losses: dict[str, Tensor] = self.module(batch.to(self.options.device))
        scaler.scale(losses["loss"]).backward()  # type: ignore[no-untyped-call]
        if settings.clip:
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(self.objective.parameters(), settings.clip)
        scaler.step(optimiser)
        scaler.update()
        self.objective.stepped()
        self.position.step += 1
        self.position.batch += 1
        self.records += len(batch) * distributed.world()
        return {name: value.detach() for name, value in losses.items()}

    def _precision(self) -> AbstractContextManager[object]:
        """Autocast on CUDA, as the settings say; float32 elsewhere."""
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.settings.precision, torch.float32)
        on = self.options.device.type == "cuda" and kind is not torch.float32
        return torch.autocast(self.options.device.type, dtype=kind if on else torch.bfloat16, enabled=on)

    def _log_step(self, losses: dict[str, Tensor]) -> None:
        values = self._finite(losses)
        now = time.monotonic()
        rate = self.records / max(now - self.since, 1e-9)
        self.since, self.records = now, 0
        lr = self.parts.optimiser.param_groups[0]["lr"]
        place = {"split": "train", "step": self.position.step, "epoch": self.position.epoch}
        self._write({**place, **values, "lr": lr, "timing": {"records_per_s": round(rate, 3)}})

    def _finite(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """The mean losses over processes; FloatingPointError if one is not a number."""
        values = distributed.means(losses)
        if bad := [name for name, value in values.items() if not math.isfinite(value)]:
            raise FloatingPointError(f"at step {self.position.step} the loss is not finite: {', '.join(bad)}")
        return values

    def _validation_due(self, ended: bool, finished: bool) -> bool:
        every = self.options.validate_every
        due = ended if every is None else self.position.step % every == 0
        return self.validation is not None and (due or finished)

    def _checkpoint_due(self, ended: bool) -> bool:
        every = self.options.checkpoint_every
        return self.position.step % (every or _STATE_EVERY) == 0 or (every is None and ended)

    def _validate(self) -> None:
        """Process 0 alone, on all of the validation: the result depends on no number of processes."""
        if distributed.rank() or self.validation is None:
            return
        began = time.monotonic()
        batches = self.validation.batches(0, 0, 1)
        found = self.objective.validate(batches, self.options.device, self._precision())
        place = {"split": "val", "step": self.position.step, "epoch": self.position.epoch}
        spent = time.monotonic() - began
        self._write({**place, **found, "timing": {"seconds": round(spent, 3)}})
        self.since += spent
        value, best = found.get(self.objective.selection), self.position.best
        if value is None or not math.isfinite(value):
            return
        higher = self.objective.higher_is_better
        if best is None or (value > best if higher else value < best):
            self.position.best, self.position.best_step = float(value), self.position.step
            self._write_weights("best")

    def _checkpoint(self, losses: dict[str, Tensor]) -> None:
        self._finite(losses)
        if self.log is not None:
            self.position.metrics_bytes = self.log.mark()
            self._write_weights("last")
            self._describe()
        state.save(self.folder.path / STATE, self.parts, self.position, self.description)

    def _describe(self) -> None:
        result = {"step": self.position.step, "steps": self.steps, "epoch": self.position.epoch,
                  "processes": distributed.world(), "selection": self.objective.selection,
                  "best": self.position.best, "best_step": self.position.best_step}  # fmt: skip
        self.folder.describe(result)

    def _write_weights(self, which: Literal["best", "last"]) -> None:
        place = {"step": self.position.step, "epoch": self.position.epoch}
        self.folder.write_weights(which, place)

    def _write(self, line: Line) -> None:
        if self.log is not None:
            self.log.write(line)
            self.tell(line)

    def _outcome(self, status: Literal["finished", "stopped"]) -> Outcome:
        place = self.position
        return Outcome(status, place.step, place.epoch, place.best, place.best_step)

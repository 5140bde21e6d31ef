"""Pre-training of an ECG encoder: batches in, a folder with the trained model out, resumable at any step.

On several processes (torchrun; join by `distributed.join`) the gradients are averaged by DistributedDataParallel,
and process 0 validates and writes. Batch norm sees each process's own batch, so that an encoder with batch norm
trains a little differently on two processes than on one with the joined batch; one without does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from medpipe.core.ecg import distributed, train_state
from medpipe.core.ecg.metrics_log import MetricsLog
from medpipe.core.ecg.objective import Objective
from medpipe.core.ecg.schedule import ends_with_the_run, learning_rate
from medpipe.core.ecg.train_batch import Batch, BatchSource
from medpipe.core.ecg.train_presets import TrainPreset
from medpipe.core.ecg.train_state import STATE, Parts, Position
from medpipe.core.ecg.trained_folder import (
    RunFacts,
    describe,
    rename_weights,
    run_digest,
    write_description,
    write_weights,
)
from medpipe.core.ecg.validate import validate
from medpipe.core.errors import ModelError

METRICS: Final = "metrics.jsonl"
# Facts of a run that only tell how long it is.
_LENGTH: Final = ("steps", "train_preset.epochs", "train_preset_digest")
_WEIGHTS: Final[tuple[Literal["best", "last"], ...]] = ("best", "last")
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a training runs, which changes nothing of what it learns but for `max_steps` and the device's rounding.

    Args:
        device: where the network is.
        resume: go on from the folder's state, or begin where there is none.
        checkpoint_every: steps between states; one is written at the end of every epoch too.
        log_every: steps between lines of metrics.
        validate_every: steps between validations; None for the end of every epoch.
        max_steps: end after so many steps, or after the preset's epochs if they are fewer.
        compile: run the encoder through torch.compile.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    resume: bool = False
    checkpoint_every: int = 1000
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


def pretrain(
    objective: Objective,
    train: BatchSource,
    validation: BatchSource | None,
    preset: TrainPreset,
    facts: RunFacts,
    folder: Path,
    options: RunOptions | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Line], None] = lambda line: None,
) -> Outcome:
    """Train `objective` and fill `folder`: best and last weights, model.json, metrics.jsonl, state.pt.

    Args:
        objective: from `build_objective`, or with weights of its own; every process the same.
        train: batches of at least two records where the loss is contrastive.
        validation: read by process 0 alone, as one process of one; None for none, and then nothing is chosen.
        preset: the settings.
        facts: what stands in model.json.
        folder: one that all processes see.
        options: how to run.
        should_stop: asked after every step; once true in any process, a state is written and the run ends `stopped`.
        tell: gets every line of metrics, in process 0.

    A run cut off at any time, by SIGKILL too, goes on with `resume` and writes the same metrics, on a CPU to the
    bit, but for the key `timing`. A finished run goes on with more epochs or steps where its schedule does not fall
    over the whole run. Raises ModelError where the folder holds another run, or holds one and `resume`
    is not set; ArithmeticError when the loss is no longer finite.
    """
    trainer = _Trainer(objective, train, validation, preset, facts, folder, options or RunOptions())
    try:
        return trainer.run(should_stop, tell)
    finally:
        trainer.close()


class _Trainer:
    """One run, from its state or the beginning to its end or a stop."""

    def __init__(
        self, objective: Objective, train: BatchSource, validation: BatchSource | None, preset: TrainPreset,
        facts: RunFacts, folder: Path, options: RunOptions,
    ) -> None:  # fmt: skip
        self.train, self.validation, self.preset, self.folder, self.options = train, validation, preset, folder, options
        self.epoch_steps = train.steps(distributed.world())
        if self.epoch_steps < 1:
            raise ValueError("there is not one training batch for each process")
        self.steps = min(preset.epochs * self.epoch_steps, options.max_steps or preset.epochs * self.epoch_steps)
        self.described = describe(objective, preset, facts)
        self.description = {**self.described, "processes": distributed.world(), "steps": self.steps}
        self.objective = objective.to(options.device)
        trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(
            trained, lr=preset.lr, betas=(preset.beta1, preset.beta2), eps=preset.epsilon,
            weight_decay=preset.weight_decay,
        )  # fmt: skip
        half = preset.precision == "fp16" and options.device.type == "cuda"
        self.parts = Parts(objective, optimiser, torch.amp.GradScaler("cuda", enabled=half), options.device)
        self.position = Position()
        self.log: MetricsLog | None = None
        self._begin()
        if options.compile:
            for part in objective.compiled_parts():
                part.compile()
        self.module: nn.Module = DistributedDataParallel(objective) if distributed.together() else objective

    def _begin(self) -> None:
        """Take up the folder's state, or draw from the preset's seed."""
        state, metrics = self.folder / STATE, self.folder / METRICS
        if not self.options.resume and (state.exists() or metrics.exists()):
            raise ModelError(f"{self.folder} holds a training already: resume it, or name another folder")
        # Each process drops out other units; masks are drawn alike in all.
        torch.manual_seed(self.preset.seed + distributed.rank())
        if state.exists():
            self.position = self._restored(state)
        # Only when all have looked may the first file appear.
        distributed.wait()
        if distributed.rank() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.log = MetricsLog(metrics, self.position.metrics_bytes)
            if self.position.step:
                self._describe()
                for which in _WEIGHTS:
                    rename_weights(self.folder, which, run_digest(self.described))

    def _restored(self, state: Path) -> Position:
        fixed = ends_with_the_run(self.preset)
        position = train_state.restore(state, self.parts, self.description, () if fixed else _LENGTH)
        if position.step > self.steps:
            raise ModelError(f"{self.folder} has come to step {position.step}, further than the {self.steps} asked for")
        return position

    def run(self, should_stop: Callable[[], bool], tell: Callable[[Line], None]) -> Outcome:
        """To the last step, or to the one after which it should stop."""
        self.tell, stopped = tell, False
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
        source = self.train.batches(place.epoch, distributed.rank(), distributed.world(), place.batch)
        for batch in source:
            losses = self._step(batch)
            ended, finished = place.batch == self.epoch_steps, place.step == self.steps
            if place.step % self.options.log_every == 0 or finished:
                self._log_step(losses)
            if self._validation_due(ended or finished):
                self._validate()
            if ended:
                place.epoch, place.batch = place.epoch + 1, 0
            stop = distributed.any_of(should_stop(), self.options.device)
            if stop or ended or finished or place.step % self.options.checkpoint_every == 0:
                self._checkpoint(losses)
            if stop or ended or finished:
                return stop
        raise ValueError(f"the source ended after {place.batch} batches of an epoch of {self.epoch_steps}")

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        self.objective.train()
        preset, optimiser, scaler = self.preset, self.parts.optimiser, self.parts.scaler
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(preset, self.position.step, self.steps)
        optimiser.zero_grad(set_to_none=True)
        with self._precision():
            losses: dict[str, Tensor] = self.module(batch.to(self.options.device))
        scaler.scale(losses["loss"]).backward()  # type: ignore[no-untyped-call]
        if preset.clip:
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(self.objective.parameters(), preset.clip)
        scaler.step(optimiser)
        scaler.update()
        self.position.step += 1
        self.position.batch += 1
        self.records += len(batch) * distributed.world()
        return {name: value.detach() for name, value in losses.items()}

    def _precision(self) -> AbstractContextManager[object]:
        """Autocast on CUDA, as the preset says; float32 elsewhere."""
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.preset.precision, torch.float32)
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
        """The mean losses over processes; ArithmeticError if one is not a number."""
        values = distributed.means(losses)
        if bad := [name for name, value in values.items() if not math.isfinite(value)]:
            raise ArithmeticError(f"at step {self.position.step} the loss is not finite: {', '.join(bad)}")
        return values

    def _validation_due(self, last: bool) -> bool:
        every = self.options.validate_every
        due = self.position.step % every == 0 if every else False
        return self.validation is not None and (due or last)

    def _validate(self) -> None:
        """Process 0 alone, on all of the validation: the result depends on no number of processes."""
        if distributed.rank() or self.validation is None:
            return
        began = time.monotonic()
        batches = self.validation.batches(0, 0, 1)
        found = validate(self.objective, batches, self.options.device, self._precision())
        place = {"split": "val", "step": self.position.step, "epoch": self.position.epoch}
        spent = time.monotonic() - began
        self._write({**place, **found, "timing": {"seconds": round(spent, 3)}})
        self.since += spent
        value, best = found.get(self.objective.selection), self.position.best
        if value is None or not math.isfinite(value):
            return
        higher = self.objective.selection == "macro_auroc"
        if best is None or (value > best if higher else value < best):
            self.position.best, self.position.best_step = float(value), self.position.step
            self._write_weights("best")

    def _checkpoint(self, losses: dict[str, Tensor]) -> None:
        self._finite(losses)
        if self.log is not None:
            self.position.metrics_bytes = self.log.mark()
            self._write_weights("last")
            self._describe()
        train_state.save(self.folder / STATE, self.parts, self.position, self.description)

    def _describe(self) -> None:
        result = {"step": self.position.step, "steps": self.steps, "epoch": self.position.epoch,
                  "processes": distributed.world(), "selection": self.objective.selection,
                  "best": self.position.best, "best_step": self.position.best_step}  # fmt: skip
        write_description(self.folder, self.described, result)

    def _write_weights(self, which: Literal["best", "last"]) -> None:
        place = {"step": self.position.step, "epoch": self.position.epoch}
        write_weights(self.folder, which, self.objective, run_digest(self.described), place)

    def _write(self, line: Line) -> None:
        if self.log is not None:
            self.log.write(line)
            self.tell(line)

    def _outcome(self, status: Literal["finished", "stopped"]) -> Outcome:
        place = self.position
        return Outcome(status, place.step, place.epoch, place.best, place.best_step)

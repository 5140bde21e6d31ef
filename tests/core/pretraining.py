"""What the tests of pre-training share, and a process to kill: python pretraining.py FOLDER HOW."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from medpipe.core.ecg.kmerl import LeadVit
from medpipe.core.ecg.objective_kmerl import KmerlObjective, KmerlPlan
from medpipe.core.ecg.objective_supreme import SupremeObjective, SupremePlan
from medpipe.core.ecg.pretrain import pretrain
from medpipe.core.ecg.query_decoder import DecoderShape
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.ecg.train_presets import train_preset
from medpipe.core.ecg.trained_folder import RunFacts
from medpipe.core.training import distributed
from medpipe.core.training.contrastive import InfoNce
from medpipe.core.training.loop import Outcome, RunOptions

TEXT, ENTITIES = 16, 3
FACTS = RunFacts("tests/text", TEXT, ("fast", "slow", "odd"), {"records": 24})
PRESET = train_preset("kmerl").override(
    {"epochs": 2, "batch": 4, "patch": 500, "decoder_width": 16, "decoder_layers": 1, "decoder_hidden": 16}
)


def records(count: int, seed: int = 0) -> Batch:
    """Recordings in which an entity is a level of lead I, and one target of ten unknown."""
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(count, ENTITIES, generator=generator) < 0.5).float()
    signals = 0.1 * torch.rand(count, 12, 5000, generator=generator)
    signals[:, :, :500] += targets[:, :1, None]
    present = torch.ones(count, 12, dtype=torch.bool)
    present[::5, 6:] = False
    texts = torch.randn(count, TEXT, generator=generator) + targets @ torch.randn(ENTITIES, TEXT, generator=generator)
    targets[torch.rand(count, ENTITIES, generator=generator) < 0.1] = torch.nan
    return Batch(signals, present, texts, targets)


class Source:
    """Batches of one set of records in memory, in another order every epoch."""

    def __init__(self, whole: Batch, batch: int) -> None:
        self.whole, self.batch = whole, batch

    def steps(self, world: int) -> int:
        return len(self.whole) // (self.batch * world)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[Batch]:
        order = torch.randperm(len(self.whole), generator=torch.Generator().manual_seed(epoch))
        for step in range(skip, self.steps(world)):
            first = (step * world + rank) * self.batch
            rows = order[first : first + self.batch]
            whole = self.whole
            yield Batch(whole.signals[rows], whole.present[rows], whole.texts[rows], whole.targets[rows])


class Deadly(Source):
    """The same, but a signal comes before one of the batches."""

    def __init__(self, whole: Batch, batch: int, number: int, kind: signal.Signals) -> None:
        super().__init__(whole, batch)
        self.number, self.kind, self.given = number, kind, 0

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[Batch]:
        for batch in super().batches(epoch, rank, world, skip):
            self.given += 1
            if self.given == self.number:
                os.kill(os.getpid(), self.kind)
            yield batch


def queries() -> torch.Tensor:
    return torch.randn(ENTITIES, TEXT, generator=torch.Generator().manual_seed(9))


def tiny_network() -> LeadVit:
    return LeadVit(width=24, depth=2, heads=1, hidden=24, patch=500)


def tiny_shape(dropout: float = 0.1) -> DecoderShape:
    return DecoderShape(24, TEXT, width=16, layers=1, heads=2, hidden=16, dropout=dropout)


def tiny_kmerl(dropout: float = 0.1, gradient: str = "joined") -> KmerlObjective:
    torch.manual_seed(3)
    plan = KmerlPlan(tiny_shape(dropout), InfoNce(gradient=gradient))
    return KmerlObjective(plan, tiny_network(), queries())


def tiny_supreme(dropout: float = 0.1) -> SupremeObjective:
    torch.manual_seed(3)
    return SupremeObjective(SupremePlan(tiny_shape(dropout)), tiny_network(), queries())


def train(folder: Path, source: Source, objective=None, should_stop=lambda: False, **options) -> Outcome:
    """A run of twelve steps, a state after every fourth."""
    chosen = RunOptions(**{"checkpoint_every": 4, "log_every": 1, **options})
    preset = PRESET.override({"batch": source.batch})
    return pretrain(
        objective or tiny_kmerl(), source, Source(records(8, 1), 4), preset, FACTS, folder, chosen,
        should_stop=should_stop,
    )  # fmt: skip


def main(folder: Path, how: str) -> None:
    """killed: SIGKILL before the sixth step; terminated: SIGTERM a step later; rank: one of two processes."""
    torch.set_num_threads(1)
    whole, asked = records(24), []
    if how == "killed":
        train(folder, Deadly(whole, 4, 6, signal.SIGKILL))
    elif how == "terminated":
        signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
        outcome = train(folder, Deadly(whole, 4, 7, signal.SIGTERM), should_stop=lambda: bool(asked))
        print(outcome.status, outcome.step)
    else:
        distributed.join(torch.device("cpu"))
        several(folder, whole)
        distributed.leave()


def several(folder: Path, whole: Batch) -> None:
    """In one process or two, whatever joins into batches of four: both objectives, and gradients of the contrast."""
    size = 4 // distributed.world()
    train(folder / "kmerl", Source(whole, size), tiny_kmerl(0.0))
    train(folder / "supreme", Source(whole, size), tiny_supreme(0.0))
    interrupted(folder, Source(whole, size))
    for gradient in ("slice", "joined"):
        value, slope = contrast(gradient)
        if distributed.rank() == 0:
            torch.save({"value": value, "slope": slope}, folder / f"{gradient}.pt")


def interrupted(folder: Path, source: Source) -> None:
    """A run with dropout that the last process alone asks to stop after five steps, and the same without a stop."""
    asked = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 5 and distributed.rank() == distributed.world() - 1

    assert train(folder / "cut", source, tiny_kmerl(), stop).step == 5
    train(folder / "cut", source, tiny_kmerl(), resume=True)
    train(folder / "uncut", source, tiny_kmerl())


def contrast(gradient: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of five pairs under a linear map, shared out unevenly; its gradient, averaged over processes."""
    generator = torch.Generator().manual_seed(5)
    left, right = torch.randn(5, 6, generator=generator), torch.randn(5, 4, generator=generator)
    weight = torch.randn(6, 4, generator=generator).requires_grad_()
    rows = slice(0, 5) if distributed.world() == 1 else (slice(0, 3), slice(3, 5))[distributed.rank()]
    value = InfoNce(gradient=gradient)(left[rows] @ weight, right[rows])
    value.backward()
    return value.detach(), distributed.total(weight.grad) / distributed.world()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

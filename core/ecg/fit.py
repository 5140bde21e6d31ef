"""One network trained on recordings with partly known labels: loop, weight average, checkpoint, resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from medpipe.core.ecg.augment import lead_subsets, mixup, perturb, shorten
from medpipe.core.ecg.lead_net import LeadNet
from medpipe.core.training.durable import put
from medpipe.core.training.metrics_log import MetricsLog

Log = Callable[[str], None]
METRICS: Final = "metrics.jsonl"


@dataclass(frozen=True)
class Plan:
    """Everything that changes the outcome of `fit`, besides the data."""

    concepts: int
    seed: int = 0
    epochs: int = 40
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.1
    average: float = 0.99
    widths: tuple[int, ...] = (48, 80, 128, 176)
    dim: int = 128
    kernel: int = 7
    stem_stride: int = 4
    # How many windows are cut short in training, and how many are blended with another.
    short_share: float = 0.4
    mixed_share: float = 0.5
    # Of the loss, the part of the five superclasses, and of it the part of soft targets where there are some.
    superclass_share: float = 0.5
    soft_share: float = 0.5
    # Off only to show what it is for.
    lead_masking: bool = True


class Classifier(nn.Module):
    """The encoder and one linear classifier for every concept."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.encoder = LeadNet(plan.widths, plan.dim, plan.kernel, plan.stem_stride)
        self.head = nn.Linear(plan.dim, plan.concepts)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """[B, 12, n] and [B, 12] -> logits [B, concepts]."""
        embedding, _ = self.encoder(x, present)
        logits: Tensor = self.head(embedding)
        return logits


def loss(logits: Tensor, targets: Tensor, superclass_share: float) -> Tensor:
    """Mean cross-entropy over the known targets, the five superclasses weighted apart from the rest."""
    known = ~torch.isnan(targets)
    each = F.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none") * known
    high = each[:, :5].sum() / known[:, :5].sum().clamp(min=1)
    low = each[:, 5:].sum() / known[:, 5:].sum().clamp(min=1)
    return superclass_share * high + (1 - superclass_share) * low


def fit(
    x: Tensor, targets: Tensor, plan: Plan, folder: Path, log: Log, soft: Tensor | None = None, resume: bool = False
) -> Classifier:
    """A Classifier trained on x [n, 12, samples] and targets [n, concepts] (NaN: unknown), weights averaged.

    `soft` [n, concepts] are probabilities that take part of the loss. The state is written to `folder` after
    every epoch, its loss to metrics.jsonl there; with `resume` the run goes on from there and ends with the same
    weights and lines.
    """
    torch.manual_seed(plan.seed)
    network, generator = Classifier(plan), Generator().manual_seed(plan.seed)
    moving = torch.optim.swa_utils.get_ema_multi_avg_fn(plan.average)  # type: ignore[no-untyped-call]
    averaged = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay)
    steps = plan.epochs * (len(x) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps, pct_start=0.2)
    parts = {"network": network, "averaged": averaged, "optimiser": optimiser, "schedule": schedule}
    state, start, marked = folder / "state.pt", 0, 0
    if resume and state.exists():
        start, marked = _restore(state, parts, generator, plan)
    folder.mkdir(parents=True, exist_ok=True)
    with closing(MetricsLog(folder / METRICS, marked)) as metrics:
        for epoch in range(start, plan.epochs):
            began, total = time.monotonic(), 0.0
            network.train()
            for rows in torch.split(torch.randperm(len(x), generator=generator), plan.batch):
                if len(rows) < plan.batch:
                    continue
                wanted = soft[rows] if soft is not None else None
                total += _step(network, optimiser, x[rows], targets[rows], wanted, plan, generator)
                schedule.step()
                averaged.update_parameters(network)
            mean, spent = total / (len(x) // plan.batch), time.monotonic() - began
            place = {"split": "train", "step": (epoch + 1) * (len(x) // plan.batch), "epoch": epoch}
            rate = {"lr": schedule.get_last_lr()[0], "timing": {"records_per_s": round(len(x) / spent, 3)}}
            metrics.write({**place, "loss": mean, **rate})
            _save(state, parts, generator, plan, epoch + 1, metrics.mark())
            log(f"{folder.name}: epoch {epoch + 1}/{plan.epochs}, loss {mean:.4f}, {spent:.1f} s")
    return cast(Classifier, averaged.module.eval())


def _step(
    network: Classifier, optimiser: torch.optim.Optimizer, x: Tensor, targets: Tensor, soft: Tensor | None,
    plan: Plan, generator: Generator,
) -> float:  # fmt: skip
    if soft is not None:
        blend = plan.soft_share
        targets = torch.where(torch.isnan(targets), soft, (1 - blend) * targets + blend * soft)
    x, targets = mixup(
        shorten(perturb(x, generator), generator, plan.short_share), targets, generator, plan.mixed_share
    )
    present = lead_subsets(len(x), generator) if plan.lead_masking else torch.ones(len(x), 12)
    value = loss(network(x, present), targets, plan.superclass_share)
    optimiser.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimiser.step()
    return float(value.detach())


def _save(path: Path, parts: dict[str, Any], generator: Generator, plan: Plan, epoch: int, marked: int) -> None:
    whole = {name: part.state_dict() for name, part in parts.items()}
    # The generator of torch itself drives the dropout.
    whole |= {"generator": generator.get_state(), "torch": torch.get_rng_state(), "epoch": epoch}
    whole |= {"plan": json.dumps(asdict(plan)), "metrics_bytes": marked}
    put(path, lambda part: torch.save(whole, part))


def _restore(path: Path, parts: dict[str, Any], generator: Generator, plan: Plan) -> tuple[int, int]:
    """Epochs done, and the bytes of their metrics."""
    whole = torch.load(path, weights_only=True)
    if whole["plan"] != json.dumps(asdict(plan)):
        raise ValueError(f"{path} belongs to another plan: {whole['plan']}")
    for name, part in parts.items():
        part.load_state_dict(whole[name])
    generator.set_state(whole["generator"])
    torch.set_rng_state(whole["torch"])
    return int(whole["epoch"]), int(whole["metrics_bytes"])


@torch.no_grad()
def predict(network: Classifier, x: Tensor, present: Tensor | None = None, batch: int = 128) -> Tensor:
    """Logits [n, concepts] of x [n, 12, samples]; `present` [12] is the same for all, every lead when None."""
    mask = torch.ones(12) if present is None else present
    return torch.cat([network(part, mask.expand(len(part), 12)) for part in torch.split(x, batch)])

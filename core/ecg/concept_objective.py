"""How the default model's network learns: from partly known labels, its weights averaged as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medpipe.core.ecg.lead_net import LeadNet
from medpipe.core.training.objective import Objective
from medpipe.core.training.settings import ScheduleName, TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(TrainSettings):
    """Everything that changes the outcome, besides the data.

    `average` is the decay of the moving average of the weights. `short_share` and `mixed_share` are how many windows
    are cut short in training, and how many are blended with another. `superclass_share` is the part of the loss that
    the five superclasses have, `soft_share` that of soft targets where there are some. `lead_masking` is off only to
    show what it is for.
    """

    concepts: int
    name: str = "ecg-default"
    epochs: int = 40
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.1
    schedule: ScheduleName = "one-cycle"
    clip: float = 2.0
    validation_share: float = 0.0
    seed: int = 0
    average: float = 0.99
    widths: tuple[int, ...] = (48, 80, 128, 176)
    dim: int = 128
    kernel: int = 7
    stem_stride: int = 4
    short_share: float = 0.4
    mixed_share: float = 0.5
    superclass_share: float = 0.5
    soft_share: float = 0.5
    lead_masking: bool = True


@dataclass(frozen=True, slots=True)
class ConceptBatch:
    """Windows [B, 12, samples], which leads are there [B, 12], and targets [B, concepts], NaN where unknown."""

    x: Tensor
    present: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> ConceptBatch:
        """All of it."""
        return ConceptBatch(self.x.to(device), self.present.to(device), self.targets.to(device))

    def __len__(self) -> int:
        return len(self.x)


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


class ConceptObjective(Objective):
    """A Classifier, freshly drawn by the plan's seed, and the average of its weights, which is what is kept."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.seed)
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.network = Classifier(plan)
        moving = torch.optim.swa_utils.get_ema_multi_avg_fn(plan.average)  # type: ignore[no-untyped-call]
        self.averaged = torch.optim.swa_utils.AveragedModel(self.network, multi_avg_fn=moving, use_buffers=True)
        self.averaged.requires_grad_(False)

    def forward(self, batch: ConceptBatch) -> dict[str, Tensor]:
        """See Objective."""
        return {"loss": loss(self.network(batch.x, batch.present), batch.targets, self.plan.superclass_share)}

    def stepped(self) -> None:
        """See Objective."""
        self.averaged.update_parameters(self.network)

    def validate(self, *_: Any) -> dict[str, float | int | None]:
        """Nothing is chosen: all recordings are trained on."""
        raise NotImplementedError

    def compiled_parts(self) -> list[nn.Module]:
        """See Objective."""
        return [self.network]

    def weights(self) -> Mapping[str, Tensor]:
        """Those of the averaged Classifier."""
        found: Mapping[str, Tensor] = self.averaged.module.state_dict()
        return found

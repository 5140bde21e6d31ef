"""MERL's objective (ICML 2024, arXiv 2403.06659): ECG against report, and an ECG against itself under two dropouts."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from medpipe.core.ecg.lead_masking import LeadMasking, draw_leads
from medpipe.core.ecg.merl import SHARED_WIDTH, Merl
from medpipe.core.ecg.merl_resnet import ResNet1d
from medpipe.core.ecg.objective import Objective, needed
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.training.contrastive import InfoNce


@dataclass(frozen=True, slots=True)
class MerlPlan:
    """What MERL's objective is built from, as the released code has it.

    `lead_dropout` None is MERL itself, to be asked about fewer leads with the missing ones filled with zeros. With
    it, leads are set to zero in training by K-MERL's law: the fair baseline of lead-aware encoders.
    """

    arch: str = "merl-resnet18"
    text: int = 768
    contrastive: InfoNce = field(default_factory=InfoNce)
    cross_weight: float = 1.0
    self_weight: float = 1.0
    view_dropout: float = 0.1
    lead_dropout: LeadMasking | None = None
    seed: int = 42


class MerlObjective(Objective):
    """CMA, the ECG's projection against the report's, plus UMA, two dropout views of the ECG.

    The released code runs its text encoder without gradients, so that it is frozen whatever its settings say, and
    only the projector `proj_t` of the text vectors [D] is trained. Saved under the names of the published full
    checkpoint, without the text encoder.
    """

    network: Merl

    def __init__(self, plan: MerlPlan) -> None:
        super().__init__(plan.seed)
        self.plan = plan
        self.network = Merl(plan.arch, contrastive=True)
        # Stands in the published names without part in any loss; DistributedDataParallel would wait for it.
        if isinstance(self.network.ecg_encoder, ResNet1d):
            self.network.ecg_encoder.linear.requires_grad_(False)
        self.proj_t = text_projector(plan.text)
        self.dropout1, self.dropout2 = nn.Dropout(plan.view_dropout), nn.Dropout(plan.view_dropout)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See Objective: `loss`, `cma` and `uma`. Rows that are not there are zero, whatever stands in them."""
        texts = needed(batch.texts, "text vectors")
        embedded, pooled = self._both(self._filled(batch))
        views = self.dropout1(self.network.linear1(pooled)), self.dropout2(self.network.linear2(pooled))
        cross = self.plan.contrastive(embedded, self.proj_t(texts), gather=self.training)
        alone = self.plan.contrastive(*views, gather=self.training)
        return {
            "loss": self.plan.cross_weight * cross + self.plan.self_weight * alone,
            "cma": cross,
            "uma": alone,
        }

    def network_weights(self) -> dict[str, Tensor]:
        """See Objective: with `proj_t.*`, which the published checkpoint holds as well."""
        text = {f"proj_t.{name}": value for name, value in self.proj_t.state_dict().items()}
        return {**self.network.state_dict(), **text}

    def compiled_parts(self) -> list[nn.Module]:
        """See Objective."""
        return [self.network.ecg_encoder]

    def _filled(self, batch: Batch) -> Tensor:
        masking, kept = self.plan.lead_dropout, batch.present
        if masking is not None and self.training:
            everyone, first = self.drawn_for_all(kept, lambda present, source: draw_leads(present, masking, source))
            kept = everyone[first : first + len(batch)]
        zero = batch.signals.new_zeros(())
        return torch.where(kept.to(batch.signals.device)[..., None], batch.signals, zero)

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The contrastive embedding [B, 256], and what the two views are made of [B, 256 or the ViT's width]."""
        features: Tensor = self.network.ecg_encoder(x)
        if features.ndim == 2:
            return self.network.proj_e(features), features
        narrow = self.network.downconv(features)
        return self.network.att_pool_head(narrow)[0], narrow.mean(dim=2)


def text_projector(width: int) -> nn.Sequential:
    """MERL's projection of a text vector [B, width] into the shared space [B, 256]."""
    return nn.Sequential(nn.Linear(width, SHARED_WIDTH), nn.GELU(), nn.Linear(SHARED_WIDTH, SHARED_WIDTH))

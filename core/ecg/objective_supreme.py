"""SuPreME's objective (arXiv 2502.19668): entities of the report asked of the ECG's tokens, and nothing else.

Re-implemented from the paper's description; no official code was to be had to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from medpipe.core.ecg.entity_loss import entity_loss
from medpipe.core.ecg.kmerl import LeadVit
from medpipe.core.ecg.lead_masking import LeadMasking
from medpipe.core.ecg.lead_memory import Memory, lead_memory, mixed_memory
from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.merl_resnet import ResNet1d
from medpipe.core.ecg.network import EcgNetwork
from medpipe.core.ecg.objective import Objective, needed
from medpipe.core.ecg.query_decoder import DecoderShape, QueryDecoder
from medpipe.core.ecg.train_batch import Batch


@dataclass(frozen=True, slots=True)
class SupremePlan:
    """What SuPreME's objective is built from; `masking` is for a lead-aware encoder alone and not the paper's."""

    decoder: DecoderShape
    masking: LeadMasking | None = None
    seed: int = 42


class SupremeObjective(Objective):
    """Cross-entropy of the entities by the Cardiac Fusion Network; its `queries` [E, D] come from a frozen encoder.

    The network is merl-resnet18 ... merl-vit-base without its contrastive head, or kmerl-vit-tiny. Its tokens
    before the pooling are the memory, so that a norm after the pooling stays as it was drawn: one.
    """

    selection = "macro_auroc"

    def __init__(self, plan: SupremePlan, network: EcgNetwork, queries: Tensor) -> None:
        super().__init__(plan.seed)
        if plan.masking is not None and not isinstance(network, LeadVit):
            raise ValueError(f"{network.arch} mixes its leads and cannot mask them; kmerl-vit-tiny can")
        self.plan, self.network = plan, network
        _freeze_unused(network)
        self.heads["decoder"] = QueryDecoder(plan.decoder)
        self.query_vectors: Tensor
        self.register_buffer("query_vectors", queries.float().clone(), persistent=False)

    @property
    def queries(self) -> Tensor:
        """See Objective."""
        return self.query_vectors

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See Objective: `loss` and `entities`, which are the same."""
        loss = entity_loss(self.entity_logits(batch), needed(batch.targets, "targets"), gather=self.training)
        return {"loss": loss, "entities": loss}

    def entity_logits(self, batch: Batch) -> Tensor:
        """See Objective."""
        memory = self._memory(batch)
        logits: Tensor = self.heads["decoder"](memory.tokens, self.query_vectors, memory.padding)
        return logits

    def network_weights(self) -> dict[str, Tensor]:
        """See Objective: a MERL encoder under the names of its published encoder-only checkpoint."""
        return {name.removeprefix("ecg_encoder."): value for name, value in self.network.state_dict().items()}

    def compiled_parts(self) -> list[nn.Module]:
        """See Objective."""
        layers = list(self.heads["decoder"].get_submodule("layers").children())
        if isinstance(self.network, Merl) and isinstance(self.network.ecg_encoder, ResNet1d):
            return [self.network.ecg_encoder, *layers]
        blocks = [child for name, child in self.network.named_modules() if name.rpartition(".")[2].startswith("block")]
        return [*blocks, *layers]

    def _memory(self, batch: Batch) -> Memory:
        if isinstance(self.network, LeadVit):
            return lead_memory(self, self.network, batch, self.plan.masking)
        return mixed_memory(self.network, batch)


def _freeze_unused(network: EcgNetwork) -> None:
    """What has no part in the tokens: DistributedDataParallel would wait for its gradient."""
    owner = network.ecg_encoder if isinstance(network, Merl) else network
    for name in ("norm", "linear"):
        part = getattr(owner, name, None)
        if isinstance(part, nn.Module):
            part.requires_grad_(False)

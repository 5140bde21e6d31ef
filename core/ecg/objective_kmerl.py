"""K-MERL's objective (arXiv 2502.17900): ECG against report, and the report's entities asked of the ECG's tokens.

Re-implemented from the paper's description; no official code was to be had to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from medpipe.core.ecg.entity_loss import entity_loss
from medpipe.core.ecg.kmerl import LeadVit
from medpipe.core.ecg.lead_masking import LeadMasking
from medpipe.core.ecg.lead_memory import Memory, lead_memory
from medpipe.core.ecg.merl import SHARED_WIDTH
from medpipe.core.ecg.objective import Objective, needed
from medpipe.core.ecg.objective_merl import text_projector
from medpipe.core.ecg.query_decoder import DecoderShape, QueryDecoder
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.training.contrastive import InfoNce


@dataclass(frozen=True, slots=True)
class KmerlPlan:
    """What K-MERL's objective is built from. The paper adds its two losses without weights."""

    decoder: DecoderShape
    contrastive: InfoNce = field(default_factory=lambda: InfoNce(gradient="joined"))
    contrastive_weight: float = 1.0
    entity_weight: float = 1.0
    masking: LeadMasking | None = field(default_factory=LeadMasking)
    seed: int = 42


class KmerlObjective(Objective):
    """InfoNCE of the pooled tokens and the report, plus cross-entropy of the entities by the query decoder.

    One frozen text encoder serves both: it gives the reports' vectors [B, D] and the `queries` [E, D], and no
    gradient goes into it. The paper does not say what projects the pooled token; here it is two linear layers
    with a GELU, as on the text's side, and no batch norm.
    """

    network: LeadVit
    selection = "macro_auroc"

    def __init__(self, plan: KmerlPlan, network: LeadVit, queries: Tensor) -> None:
        super().__init__(plan.seed)
        self.plan, self.network = plan, network
        self.heads["decoder"] = QueryDecoder(plan.decoder)
        self.heads["proj_e"] = ecg_projector(network.dim)
        self.heads["proj_t"] = text_projector(plan.decoder.text)
        self.query_vectors: Tensor
        self.register_buffer("query_vectors", queries.float().clone(), persistent=False)

    @property
    def queries(self) -> Tensor:
        """See Objective."""
        return self.query_vectors

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See Objective: `loss`, `contrastive` and `entities`."""
        texts, targets = needed(batch.texts, "text vectors"), needed(batch.targets, "targets")
        memory = self._memory(batch)
        if memory.drawn is None:
            raise ValueError("a lead-aware encoder says which tokens it gives")
        pooled = self.network.pooled(memory.tokens, memory.drawn.padding)
        pair = self.heads["proj_e"](pooled), self.heads["proj_t"](texts)
        contrastive = self.plan.contrastive(*pair, gather=self.training)
        logits = self.heads["decoder"](memory.tokens, self.query_vectors, memory.padding)
        entities = entity_loss(logits, targets, gather=self.training)
        return {
            "loss": self.plan.contrastive_weight * contrastive + self.plan.entity_weight * entities,
            "contrastive": contrastive,
            "entities": entities,
        }

    def entity_logits(self, batch: Batch) -> Tensor:
        """See Objective."""
        memory = self._memory(batch)
        logits: Tensor = self.heads["decoder"](memory.tokens, self.query_vectors, memory.padding)
        return logits

    def compiled_parts(self) -> list[nn.Module]:
        """See Objective."""
        blocks = [self.network.get_submodule(name) for name in self.network.block_names]
        return [*blocks, *self.heads["decoder"].get_submodule("layers").children()]

    def _memory(self, batch: Batch) -> Memory:
        return lead_memory(self, self.network, batch, self.plan.masking)


def ecg_projector(width: int) -> nn.Sequential:
    """The pooled token [B, width] into the space shared with the reports [B, 256]."""
    return nn.Sequential(nn.Linear(width, SHARED_WIDTH), nn.GELU(), nn.Linear(SHARED_WIDTH, SHARED_WIDTH))

"""The tokens of an ECG as a query decoder and a pooled embedding take them, from any encoder of the registry."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from medpipe.core.ecg.kmerl import LeadVit
from medpipe.core.ecg.lead_masking import LeadMasking, Tokens, all_tokens, draw_leads, draw_tokens
from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.merl_resnet import ResNet1d
from medpipe.core.ecg.merl_vit import Vit1d
from medpipe.core.ecg.network import EcgNetwork
from medpipe.core.ecg.objective import Objective
from medpipe.core.ecg.train_batch import Batch


@dataclass(frozen=True, slots=True)
class Memory:
    """Tokens [B, K, width] and where they are padding [B, K], None where they never are; `drawn` on the CPU."""

    tokens: Tensor
    padding: Tensor | None = None
    drawn: Tokens | None = None


def memory_width(network: EcgNetwork) -> int:
    """The width of the tokens that `network` gives. Raises ValueError."""
    if isinstance(network, LeadVit):
        return network.dim
    if isinstance(network, Merl) and isinstance(network.ecg_encoder, ResNet1d | Vit1d):
        return network.ecg_encoder.width
    raise ValueError(f"{type(network).__name__} has no tokens that a decoder was trained on")


def lead_memory(objective: Objective, network: LeadVit, batch: Batch, masking: LeadMasking | None) -> Memory:
    """The lead-aware tokens of a batch: masked in training, where there is a masking, else all of the leads present."""
    if masking is None or not objective.training:
        drawn = all_tokens(batch.present, network.pieces)
    else:
        law = masking

        def draw(present: Tensor, source: Generator) -> Tokens:
            return draw_tokens(draw_leads(present, law, source), network.pieces, law, source)

        everyone, first = objective.drawn_for_all(batch.present, draw)
        drawn = everyone.rows(first, len(batch))
    tokens = network.chosen_tokens(batch.signals, drawn.index, drawn.padding)
    padding = drawn.padding.to(tokens.device) if bool(drawn.padding.any()) else None
    return Memory(tokens, padding, drawn)


def mixed_memory(network: EcgNetwork, batch: Batch) -> Memory:
    """The tokens of an encoder that mixes all twelve rows: those that are not there are zero."""
    present = batch.present.to(batch.signals.device)
    signals = batch.signals.masked_fill(~present[..., None], 0.0)
    return Memory(network.tokens(signals, present))

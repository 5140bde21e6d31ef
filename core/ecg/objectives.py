"""From a training preset to its objective. A new objective is one file, and its line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from medpipe.core.ecg.kmerl import SAMPLES, LeadVit
from medpipe.core.ecg.lead_masking import LeadMasking
from medpipe.core.ecg.lead_memory import memory_width
from medpipe.core.ecg.network import EcgNetwork
from medpipe.core.ecg.objective import Objective
from medpipe.core.ecg.objective_kmerl import KmerlObjective, KmerlPlan
from medpipe.core.ecg.objective_merl import MerlObjective, MerlPlan
from medpipe.core.ecg.objective_supreme import SupremeObjective, SupremePlan
from medpipe.core.ecg.query_decoder import DecoderShape
from medpipe.core.ecg.registry import network_class
from medpipe.core.ecg.train_presets import TrainPreset
from medpipe.core.training.contrastive import InfoNce


def build_objective(preset: TrainPreset, text_width: int, queries: Tensor | None = None) -> Objective:
    """The untrained objective of a preset, its weights drawn from the preset's seed.

    Args:
        preset: with its overrides.
        text_width: length of the text vectors, those of reports and queries alike.
        queries: vectors [E, text_width] of the entities, for an objective with a decoder.

    Raises ValueError for settings that do not go together, ModelError for an unknown architecture.
    """
    # The caller's own random numbers are not to depend on it.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.seed)
        return _BUILDERS[preset.objective](preset, text_width, queries)


def _merl(preset: TrainPreset, text_width: int, queries: Tensor | None) -> Objective:
    if not preset.arch.startswith("merl-"):
        raise ValueError(f"the objective merl trains a MERL encoder, not {preset.arch}")
    plan = MerlPlan(
        arch=preset.arch,
        text=text_width,
        contrastive=_contrastive(preset),
        cross_weight=preset.contrastive_weight,
        self_weight=preset.self_weight,
        view_dropout=preset.view_dropout,
        lead_dropout=_masking(preset),
        seed=preset.seed,
    )
    return MerlObjective(plan)


def _kmerl(preset: TrainPreset, text_width: int, queries: Tensor | None) -> Objective:
    network = _network(preset)
    if not isinstance(network, LeadVit):
        raise ValueError(f"the objective kmerl trains kmerl-vit-tiny, not {preset.arch}")
    plan = KmerlPlan(
        decoder=_decoder(preset, network, text_width),
        contrastive=_contrastive(preset),
        contrastive_weight=preset.contrastive_weight,
        entity_weight=preset.entity_weight,
        masking=_masking(preset),
        seed=preset.seed,
    )
    return KmerlObjective(plan, network, _given(preset, queries))


def _supreme(preset: TrainPreset, text_width: int, queries: Tensor | None) -> Objective:
    network = _network(preset)
    plan = SupremePlan(decoder=_decoder(preset, network, text_width), masking=_masking(preset), seed=preset.seed)
    return SupremeObjective(plan, network, _given(preset, queries))


def _network(preset: TrainPreset) -> EcgNetwork:
    drawn = network_class(preset.arch)
    if not issubclass(drawn, LeadVit):
        return drawn.untrained(preset.arch)
    if preset.patch < 1 or SAMPLES % preset.patch:
        raise ValueError(f"a window of {SAMPLES} samples does not divide into pieces of {preset.patch}")
    return LeadVit(preset.arch, patch=preset.patch)


def _given(preset: TrainPreset, queries: Tensor | None) -> Tensor:
    if queries is None or not len(queries):
        raise ValueError(f"the objective {preset.objective} needs the text vectors of its entities")
    return queries


def _masking(preset: TrainPreset) -> LeadMasking | None:
    if not preset.lead_masking:
        return None
    return LeadMasking(
        many=(preset.many_least, preset.many_most),
        few=(preset.few_least, preset.few_most),
        many_share=preset.many_share,
        pieces_share=preset.pieces_share,
    )


def _contrastive(preset: TrainPreset) -> InfoNce:
    return InfoNce(preset.temperature, preset.directions, preset.gradient)


def _decoder(preset: TrainPreset, network: EcgNetwork, text_width: int) -> DecoderShape:
    return DecoderShape(
        memory=memory_width(network),
        text=text_width,
        width=preset.decoder_width,
        layers=preset.decoder_layers,
        heads=preset.decoder_heads,
        hidden=preset.decoder_hidden,
        dropout=preset.decoder_dropout,
        self_attention=preset.self_attention,
    )


_BUILDERS: Final[dict[str, Callable[[TrainPreset, int, Tensor | None], Objective]]] = {
    "merl": _merl,
    "kmerl": _kmerl,
    "supreme": _supreme,
}

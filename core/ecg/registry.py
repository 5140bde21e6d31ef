"""The torch ECG encoders by name. A new method is one file with an EcgNetwork, and its lines here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from medpipe.core.errors import ModelError

if TYPE_CHECKING:
    from medpipe.core.ecg.network import EcgNetwork, Weights

ARCHITECTURES: Final[dict[str, str]] = {
    "merl-resnet18": "medpipe.core.ecg.merl:Merl",
    "merl-resnet34": "medpipe.core.ecg.merl:Merl",
    "merl-resnet50": "medpipe.core.ecg.merl:Merl",
    "merl-resnet101": "medpipe.core.ecg.merl:Merl",
    "merl-vit-tiny": "medpipe.core.ecg.merl:Merl",
    "merl-vit-small": "medpipe.core.ecg.merl:Merl",
    "merl-vit-middle": "medpipe.core.ecg.merl:Merl",
    "merl-vit-base": "medpipe.core.ecg.merl:Merl",
    "kmerl-vit-tiny": "medpipe.core.ecg.kmerl:LeadVit",
}


def network_class(arch: str) -> type[EcgNetwork]:
    """The class that builds `arch`; ModelError that lists the names if there is none."""
    if arch not in ARCHITECTURES:
        raise ModelError(f"no architecture {arch}; there are {', '.join(ARCHITECTURES)}")
    return _imported(ARCHITECTURES[arch])


def recognise(weights: Weights, source: str) -> str:
    """The architecture whose weights these are; ModelError if none knows them."""
    for place in dict.fromkeys(ARCHITECTURES.values()):
        arch = _imported(place).recognise(weights)
        if arch is not None:
            return arch
    raise ModelError(f"{source} holds no ECG encoder known here; its first keys: {', '.join(list(weights)[:3])}")


def _imported(place: str) -> type[EcgNetwork]:
    module, _, name = place.partition(":")
    found: type[EcgNetwork] = getattr(import_module(module), name)
    return found

"""How a grounding checkpoint is asked: template, input and decoding belong to its training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from medpipe.core.vision.letterbox import How


@dataclass(frozen=True, slots=True)
class GroundingPreset:
    """Template of the prompt, the side of the model's input and how an image is fitted into it, beams and tokens."""

    name: str
    template: str
    side: int
    how: How
    beams: int
    tokens: int
    # See Decoding.
    places_first: bool = False

    @property
    def digest(self) -> str:
        """Twelve hex digits over every field."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def facts(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


PRESETS: Final = {
    preset.name: preset
    for preset in (
        # Florence-2 as its authors ask it.
        GroundingPreset("florence-2", "plain", 768, "stretch", 3, 1024),
        # AG-KD's demo; its processor's final stops are two.
        GroundingPreset("ag-kd", "ag-kd-demo", 512, "letterbox", 3, 1024),
        # Its evaluation: one beam, short answers, the text of training. How its images of 512 came about is not shown.
        GroundingPreset("ag-kd-released", "ag-kd-train", 512, "letterbox", 1, 300),
        GroundingPreset("smoke", "plain", 64, "letterbox", 1, 40),
    )
}
# Two ways in which its authors ask the same weights.
_AG_KD: Final = ("ag-kd", "ag-kd-released")


def asked_as(own: GroundingPreset, given: str) -> GroundingPreset:
    """A model that is to be asked as `own` says, asked as the preset `given` does: with its beams and tokens.

    ValueError, naming both sides, where that changes what it was trained on: input and template.
    """
    other = PRESETS[given]
    published = own.name in _AG_KD and given in _AG_KD
    fixed = ("side", "how") if published else ("template", "side", "how")
    ours, theirs = own.facts(), other.facts()
    if differ := [name for name in fixed if ours[name] != theirs[name]]:
        said = ", ".join(f"{name} {ours[name]}, and {given} asks with {theirs[name]}" for name in differ)
        raise ValueError(f"is asked with {said}")
    return replace(other, places_first=own.places_first)

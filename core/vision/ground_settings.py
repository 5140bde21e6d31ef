"""Settings of a grounding model's training by name: all that changes the outcome, besides the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from medpipe.core.training.settings import TrainSettings
from medpipe.core.vision.grounding_presets import GroundingPreset
from medpipe.core.vision.letterbox import How


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundSettings(TrainSettings):
    """How a model learns to find.

    `negatives` are findings asked of an image that are not there, for each that is; at least that many of an image
    with none. `most_findings` is how many findings of an image one step asks at most. `location_spread` is the
    standard deviation, in bins, of a location's target; 0 for the one bin, as the papers have it. `balance`: every
    token counts alike, or every answer, so that a finding with many boxes does not drown the others. `crop` is the
    largest share of each side that is cut off at random, `flips` and `levels` (the largest change of contrast and
    brightness) are drawn too. `dense_weight` is that of a second loss, for towers that learn from nothing: the image
    token in which a box has its middle tells the box, through a layer that goes after training; the first
    `dense_epochs` learn by it alone. A `lora_rank` of 0 trains all weights.
    """

    template: str = "plain"
    side: int = 768
    how: How = "letterbox"
    beams: int = 3
    tokens: int = 1024
    tower: Literal["frozen", "trained"] = "frozen"
    lora_rank: int = 0
    negatives: float = 1.0
    most_findings: int = 6
    order: Literal["left", "given"] = "left"
    repeat_label: bool = False
    location_spread: float = 0.0
    balance: Literal["tokens", "answers"] = "tokens"
    dense_weight: float = 0.0
    dense_epochs: int = 0
    flips: bool = False
    crop: float = 0.0
    levels: float = 0.0
    selection: Literal["loss", "ap50"] = "loss"

    def preset(self, name: str) -> GroundingPreset:
        """How the trained model is to be asked."""
        spread = self.location_spread > 0
        return GroundingPreset(name, self.template, self.side, self.how, self.beams, self.tokens, spread)


_OWN: Final = GroundSettings(
    name="ground", epochs=20, batch=8, lr=1e-5, weight_decay=0.01, schedule="cosine", warmup=100, clip=1.0,
    precision="bf16", validation_share=0.1,
)  # fmt: skip
PRESETS: Final = {
    preset.name: preset
    for preset in (
        # For a model that can see already.
        _OWN,
        _OWN.override({"name": "ground-lora", "lr": 1e-4, "lora_rank": 16}),
        # Released code of AG-KD: no negatives, no augmentation, one rate; batch is that of one of two processes.
        # Without its slips: validation is apart from the test, padding is no target, the best weights are kept.
        _OWN.override({
            "name": "ag-kd", "template": "ag-kd-train", "side": 512, "epochs": 50, "batch": 16, "lr": 3e-6,
            "schedule": "constant", "warmup": 0, "clip": 0, "precision": "float32", "negatives": 0,
            "repeat_label": True, "order": "given",
        }),
        # For a small model from nothing, and pictures without an up or a left.
        _OWN.override({
            "name": "ground-small", "side": 160, "epochs": 100, "batch": 16, "lr": 7e-4, "weight_decay": 0.05,
            "precision": "float32", "tower": "trained", "beams": 1, "tokens": 300, "location_spread": 8,
            "balance": "answers", "dense_weight": 1, "dense_epochs": 40,
            "flips": True, "crop": 0.3, "levels": 0.1, "selection": "ap50",
        }),
    )
}  # fmt: skip


def ground_settings(name: str) -> GroundSettings:
    """The settings of this name; ValueError that lists the names if there are none."""
    if name not in PRESETS:
        raise ValueError(f"no training preset {name}; there are {', '.join(PRESETS)}")
    return PRESETS[name]

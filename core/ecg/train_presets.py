"""Pre-training by the papers' names: every setting that changes the outcome, besides the data.

Where a comment says silent, the paper's text that was to be had does not tell, and the value is ours or the
lineage's. `batch` is that of one process; MERL ran eight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from medpipe.core.training.settings import TrainSettings, at_least, below_one

# One lead always stays.
_MOST_MASKED: Final = 11
ObjectiveName = Literal["merl", "kmerl", "supreme"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPreset(TrainSettings):
    """One way of pre-training."""

    objective: ObjectiveName
    arch: str
    text_model: str = "ncbi/MedCPT-Query-Encoder"
    temperature: float = 0.07
    directions: Literal["sum", "mean"] = "sum"
    gradient: Literal["slice", "joined"] = "slice"
    view_dropout: float = 0.1
    contrastive_weight: float = 1.0
    self_weight: float = 1.0
    entity_weight: float = 1.0
    # Lead masking; `many_share` and `pieces_share` are looked at only where it is on.
    lead_masking: bool = False
    many_least: int = 9
    many_most: int = 11
    few_least: int = 0
    few_most: int = 8
    many_share: float = 0.5
    pieces_share: float = 0.25
    patch: int = 50
    decoder_width: int = 768
    decoder_layers: int = 4
    decoder_heads: int = 4
    decoder_hidden: int = 1024
    decoder_dropout: float = 0.1
    self_attention: bool = True
    # Reports of fewer words are left out; MERL's preprocessing has four, the others are silent.
    report_words: int = 4

    def __post_init__(self) -> None:
        TrainSettings.__post_init__(self)
        # A recording is told from the others of its batch.
        at_least(self, 2, "batch")
        at_least(self, 1, "patch", "decoder_width", "decoder_layers", "decoder_heads", "decoder_hidden")
        below_one(self, "view_dropout", "decoder_dropout")
        if max(self.many_most, self.few_most) > _MOST_MASKED:
            raise ValueError(f"many_most and few_most are up to {_MOST_MASKED}: of twelve leads one stays")
        if self.temperature <= 0:
            raise ValueError("temperature is more than 0")


# Released code of MERL: 8 processes, automatic mixed precision, validation by record where we have it by patient.
_MERL: Final = TrainPreset(
    name="merl",
    objective="merl",
    arch="merl-resnet18",
    epochs=20,
    batch=128,
    lr=1e-3,
    weight_decay=1e-8,
)
# Silent: optimiser, schedule, batch, architecture of the decoder, whether its queries see each other, the shares of
# the masking. From the reviews: 50 epochs, losses without weights, 9 to 11 leads masked, a quarter of the pieces.
_KMERL: Final = TrainPreset(
    name="kmerl",
    objective="kmerl",
    arch="kmerl-vit-tiny",
    epochs=50,
    batch=128,
    lr=1e-3,
    weight_decay=1e-8,
    gradient="joined",
    lead_masking=True,
)
# Silent: nearly everything; rate, decay, batch and epochs are hearsay, and the decoder is KAD's.
_SUPREME: Final = TrainPreset(
    name="supreme",
    objective="supreme",
    arch="merl-vit-tiny",
    epochs=16,
    batch=256,
    lr=1e-3,
    weight_decay=1e-8,
)
PRESETS: Final[dict[str, TrainPreset]] = {
    preset.name: preset
    for preset in (
        _MERL,
        # The fair baseline of K-MERL: MERL, with K-MERL's law of dropped leads in training.
        _MERL.override({"name": "merl-lead-dropout", "lead_masking": True}),
        _KMERL,
        _SUPREME,
        # Ours: scores that depend on no other query, any leads, and an optimisation that a small data set bears.
        _SUPREME.override(
            {
                "name": "supreme-own",
                "arch": "kmerl-vit-tiny",
                "lr": 5e-4,
                "weight_decay": 0.05,
                "beta2": 0.98,
                "schedule": "cosine",
                "warmup": 500,
                "clip": 1.0,
                "precision": "bf16",
                "lead_masking": True,
                "self_attention": False,
            }
        ),
    )
}


def train_preset(name: str) -> TrainPreset:
    """The preset of this name; ValueError that lists the names if there is none."""
    if name not in PRESETS:
        raise ValueError(f"no training preset {name}; there are {', '.join(PRESETS)}")
    return PRESETS[name]

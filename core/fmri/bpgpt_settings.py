"""Settings of BP-GPT's trainings by name: all that changes the outcome, besides the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from medpipe.core.fmri.contrast import Contrast
from medpipe.core.training.settings import TrainSettings

Stop = Literal["end", "marks", "released"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BpGptSettings(TrainSettings):
    """How prompts are learnt.

    `length` vectors make a prompt, `tokens` is the longest text. `stop`: a text ends with a token that is learnt
    (`end`), behind as many marks as the window has volumes (`marks`), or, as in released code, by counting down
    a token that is that of a mark by itself, one too few. `text_lm` and `brain_lm` say whether the language model
    is tuned in each stage. `lag_tr` is the lag between words and responses that windows should have been cut with.
    Normal `noise`, where it is not 0, is added to standardised responses as they are learnt from: an encoder learns
    that of few windows by heart. `warmup_epochs` become `warmup` iterations. Training ends after `patience`
    validations without a better one; 0 for never.
    """

    length: int = 100
    layers: int = 8
    heads: int = 8
    between: int = 512
    dropout: float = 0.1
    brain_dropout: float = 0.1
    tokens: int = 128
    stop: Stop = "marks"
    text_lm: Literal["tuned", "frozen"] = "tuned"
    brain_lm: Literal["tuned", "frozen"] = "frozen"
    contrast: Contrast = "paper"
    contrast_weight: float = 1.0
    temperature: float = 0.1
    lag_tr: int = 1
    noise: float = 0.0
    warmup_epochs: int = 5
    patience: int = 0


# Optimiser, rates and epochs of released code; a text's row there is that of the volume before, a lag of 1.
_PAPER: Final = BpGptSettings(
    name="bp-gpt", epochs=100, batch=32, lr=1e-4, weight_decay=0.0, epsilon=1e-6, schedule="linear", lowest_lr=0.0,
    precision="float32", validation_share=0.1, brain_lm="tuned",
)  # fmt: skip
PRESETS: Final = {
    preset.name: preset
    for preset in (
        _PAPER,
        # Without those of its slips by which nothing is learnt, or a text's prompt depends on its neighbours.
        _PAPER.override({
            "name": "bp-gpt-released", "brain_dropout": 0.0, "stop": "released", "brain_lm": "frozen",
            "contrast": "released", "validation_share": 0,
        }),
        _PAPER.override({
            "name": "bp-gpt-fixed", "stop": "end", "brain_lm": "frozen", "contrast": "cosine", "lag_tr": 2,
            "clip": 1.0, "precision": "bf16", "patience": 10,
        }),
    )
}  # fmt: skip


def bpgpt_settings(name: str) -> BpGptSettings:
    """The settings of this name; ValueError that lists the names if there are none."""
    if name not in PRESETS:
        raise ValueError(f"no training preset {name}; there are {', '.join(PRESETS)}")
    return PRESETS[name]

"""Pre-training by the papers' names: every setting that changes the outcome, besides the data.

Where a comment says silent, the paper's text that was to be had does not tell, and the value is ours or the
lineage's. `batch` is that of one process; MERL ran eight.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, get_args, get_type_hints

ObjectiveName = Literal["merl", "kmerl", "supreme"]
Precision = Literal["float32", "bf16", "fp16"]
ScheduleName = Literal["constant", "cosine", "cosine-restarts"]


@dataclass(frozen=True, slots=True)
class TrainPreset:
    """One way of pre-training. Half precision is used on CUDA alone; a `clip` of 0 is none."""

    name: str
    objective: ObjectiveName
    arch: str
    epochs: int
    batch: int
    lr: float
    weight_decay: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule: ScheduleName = "cosine-restarts"
    # Iterations: of one descent of cosine-restarts, and of the linear warm-up before cosine.
    period: int = 5000
    warmup: int = 0
    lowest_lr: float = 1e-8
    clip: float = 0.0
    precision: Precision = "fp16"
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
    validation_share: float = 0.02
    # MERL drew its validation by record, so that a patient may be on both sides.
    validation_by: Literal["record", "patient"] = "patient"
    seed: int = 42

    @property
    def digest(self) -> str:
        """Twelve hex digits over every field."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def facts(self) -> dict[str, Any]:
        """The fields by name, for a description in JSON."""
        return asdict(self)

    def override(self, changes: Mapping[str, object]) -> TrainPreset:
        """This preset with other values of some fields; a string is read as the field's type.

        Raises ValueError for a field that there is not, or a value that it cannot take.
        """
        hints = get_type_hints(TrainPreset)
        unknown = sorted(set(changes) - set(hints))
        if unknown:
            raise ValueError(f"no training setting is called {', '.join(unknown)}; there are {', '.join(hints)}")
        read = {name: _read(name, hints[name], value) for name, value in changes.items()}
        return replace(self, **read)


def _read(name: str, hint: Any, value: object) -> Any:
    if hint is bool:
        known = {"true": True, "false": False, "on": True, "off": False}
        value = known.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, bool):
            raise ValueError(f"{name} is on or off, not {value!r}")
        return value
    if hint in (int, float):
        return _number(name, hint, value)
    choices = get_args(hint)
    if not isinstance(value, str) or (choices and value not in choices):
        raise ValueError(f"{name} is {' or '.join(choices) or 'a text'}, not {value!r}")
    return value


def _number(name: str, kind: type[int] | type[float], value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name} is a number, not {value!r}")
    try:
        number = kind(value)
    except ValueError:
        raise ValueError(f"{name} is {'a whole number' if kind is int else 'a number'}, not {value!r}") from None
    if number != float(value) or not 0 <= number < float("inf"):
        raise ValueError(f"{name} is {'a whole number' if kind is int else 'a number'} from 0 on, not {value}")
    return number


# Released code of MERL: 8 processes, validation by record, automatic mixed precision.
_MERL: Final = TrainPreset(
    name="merl",
    objective="merl",
    arch="merl-resnet18",
    epochs=20,
    batch=128,
    lr=1e-3,
    weight_decay=1e-8,
    validation_by="record",
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


def setting_names() -> tuple[str, ...]:
    """The names that `override` takes."""
    return tuple(field.name for field in fields(TrainPreset))

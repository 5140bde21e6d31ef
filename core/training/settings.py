"""Settings of a training: those of the loop, and how any of them is given another value by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args, get_type_hints

Precision = Literal["float32", "bf16", "fp16"]
ScheduleName = Literal["constant", "cosine", "cosine-restarts", "linear", "one-cycle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSettings:
    """Values of fields, under the name of a preset."""

    name: str

    @property
    def digest(self) -> str:
        """Twelve hex digits over every field."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def facts(self) -> dict[str, Any]:
        """The fields by name, for a description in JSON."""
        return asdict(self)

    def override(self, changes: Mapping[str, object]) -> Self:
        """These settings with other values of some fields; a string is read as the field's type.

        Raises ValueError for a field that there is not, or a value that it cannot take.
        """
        hints = get_type_hints(type(self))
        names = [field.name for field in fields(self)]
        unknown = sorted(set(changes) - set(names))
        if unknown:
            raise ValueError(f"no setting is called {', '.join(unknown)}; there are {', '.join(names)}")
        return replace(self, **{name: _read(name, hints[name], value) for name, value in changes.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings(NamedSettings):
    """What the loop goes by; `batch` is that of one process, half precision is used on CUDA alone, 0 is no `clip`."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule: ScheduleName = "cosine-restarts"
    # Iterations: of one descent of cosine-restarts, and of the linear warm-up before cosine and linear.
    period: int = 5000
    warmup: int = 0
    lowest_lr: float = 1e-8
    clip: float = 0.0
    precision: Precision = "fp16"
    validation_share: float = 0.02
    seed: int = 42

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "batch", "period")
        below_one(self, "beta1", "beta2")


def at_least(settings: NamedSettings, least: int, *names: str) -> None:
    """ValueError for a setting of these names that is less."""
    for name in names:
        if getattr(settings, name) < least:
            raise ValueError(f"{name} is from {least} on, not {getattr(settings, name)}")


def below_one(settings: NamedSettings, *names: str) -> None:
    """ValueError for a setting of these names that is not from 0 to less than 1."""
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise ValueError(f"{name} is from 0 to less than 1, not {getattr(settings, name):g}")


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

"""A plan of budgets in a file: fractions of the layers, so that it fits prompts of any length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from medpipe.core.errors import InputError
from medpipe.core.kv.budgeted_cache import Compression
from medpipe.core.kv.methods import METHODS, Method

FORMAT: Final = 1
_KEYS: Final = {"format", "model", "config_sha256", "ratio", "method", "fractions", "floor", "recent"}


@dataclass(frozen=True, slots=True)
class Plan:
    """`fractions` of the layers' entries that are kept, whose mean is `ratio` but for what rounding to entries did;
    `recent` is the share of a budget that goes to the last entries. `floor` is told for readers elsewhere:
    `least_budget` has it."""

    model: str
    config_sha256: str
    ratio: float
    method: str
    fractions: tuple[float, ...]
    floor: float
    recent: float

    def compression(self, merger: str | None = None) -> Compression:
        """For a BudgetedCache."""
        method = METHODS[self.method]
        if self.recent != method.recent:
            # Another share than the method's own is meant, also where it keeps so many last entries.
            method = replace(method, recent=self.recent, last=None)
        return Compression(method.merged_by(merger), self.ratio, self.fractions)

    def check(self, config_sha256: str, layers: int) -> None:
        """Raises InputError for a plan that was made for another architecture, or another number of layers."""
        if config_sha256 != self.config_sha256:
            raise InputError(
                "other-model",
                f"the plan is for {self.model} ({self.config_sha256}), the model is another ({config_sha256})",
            )
        if layers != len(self.fractions):
            raise InputError("bad-plan", f"a plan of {len(self.fractions)} layers, the model has {layers}")

    def text(self) -> str:
        """As JSON, of one line a key."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1) + "\n"


def make_plan(facts: dict[str, Any], ratio: float, method: Method, fractions: Sequence[Sequence[float]]) -> Plan:
    """The mean of the fractions [prompts][layers] that prompts got."""
    means = tuple(round(sum(layer) / len(fractions), 6) for layer in zip(*fractions, strict=True))
    return Plan(facts["name"], facts["config_sha256"], ratio, method.name, means, 0.01, method.recent)


def read_plan(path: str) -> Plan:
    """Raises InputError (`missing-file`, `bad-plan`) where there is none, or it is no plan."""
    try:
        told = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError("missing-file", f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError("bad-plan", f"{path} is no JSON") from None
    if not isinstance(told, dict) or set(told) != _KEYS or type(told["format"]) is not int or told["format"] != FORMAT:
        raise InputError("bad-plan", f"{path} is no plan of format {FORMAT}: {', '.join(sorted(_KEYS))}")
    fractions = told["fractions"]
    numbers = [*fractions, told["ratio"]] if isinstance(fractions, list) and fractions else [None]
    if not all(_is_share(one) and one for one in numbers):
        raise InputError("bad-plan", f"{path}: ratio and fractions are above 0 and at most 1")
    if not all(_is_share(told[name]) for name in ("floor", "recent")):
        raise InputError("bad-plan", f"{path}: floor and recent are from 0 to 1")
    if not all(isinstance(told[name], str) for name in ("model", "config_sha256", "method")):
        raise InputError("bad-plan", f"{path}: model, config_sha256 and method are texts")
    if told["method"] not in METHODS:
        raise InputError("bad-plan", f"{path}: no method {told['method']}; there are {', '.join(METHODS)}")
    del told["format"]
    return Plan(**told | {"fractions": tuple(map(float, fractions))})


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1

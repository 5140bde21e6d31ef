"""How much of the cache each layer gets: weights, which `exact_budgets` turns into entries.

A new allocator is a class with `weights` and a line in ALLOCATORS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from medpipe.core.errors import InputError


@dataclass(frozen=True, slots=True)
class LayerEntropy:
    """What an allocator sees of a layer, in nats: of the whole rows, and across modalities, None without an image."""

    full: float
    cross_modal: float | None


class Allocator(Protocol):
    """Shares the cache out among layers."""

    # Whether the layers must have been measured; else the weights are known beforehand.
    measured: bool
    # Whether further layers only take from the budgets of those before, so that these may be cut to them already.
    nested: bool

    def weights(self, layers: Sequence[LayerEntropy], ratio: float) -> list[float]:
        """One weight a layer, none negative; `layers` may be the first ones alone. Raises InputError."""
        ...

    def reads(self, layers: Sequence[LayerEntropy]) -> str:
        """Which entropy decides: `cross-modal`, `full` or `none`."""
        ...


class Uniform:
    """The same for every layer."""

    measured = False
    nested = True

    def weights(self, layers: Sequence[LayerEntropy], ratio: float) -> list[float]:
        """See Allocator."""
        return [1.0] * len(layers)

    def reads(self, layers: Sequence[LayerEntropy]) -> str:
        """See Allocator."""
        return "none"


@dataclass(frozen=True)
class Pyramid:
    """PyramidKV (arXiv 2406.02069): linear from the first layer to the last, which gets 1 / beta of the mean."""

    measured = False
    nested = True
    beta: float = 20.0

    def weights(self, layers: Sequence[LayerEntropy], ratio: float) -> list[float]:
        """See Allocator."""
        last = 1 / self.beta
        steps = max(1, len(layers) - 1)
        return [(2 - last) + (2 * last - 2) * place / steps for place in range(len(layers))]

    def reads(self, layers: Sequence[LayerEntropy]) -> str:
        """See Allocator."""
        return "none"


@dataclass(frozen=True)
class Meda:
    """MEDA (arXiv 2502.17599), equation 7: softmax of cross-modal entropies, so that spread attention gets more.

    Without an image the entropy of whole rows stands in. `temperature` divides the entropies; 1 is the paper's.
    """

    measured = True
    nested = True
    temperature: float = 1.0

    def weights(self, layers: Sequence[LayerEntropy], ratio: float) -> list[float]:
        """See Allocator."""
        full = self.reads(layers) == "full"
        return _softmax([one.full if full else one.cross_modal or 0.0 for one in layers], self.temperature)

    def reads(self, layers: Sequence[LayerEntropy]) -> str:
        """See Allocator."""
        return "full" if any(one.cross_modal is None for one in layers) else "cross-modal"


@dataclass(frozen=True)
class MedaReleased:
    """As MEDA's released code: softmax of the entropies of whole rows, a layer's fraction held to 0.01 to 1.

    There the fractions no longer mean the ratio once they are held; here they are shared out anew.
    """

    measured = True
    # A layer that is held to 0.01 while few are known may have more of all.
    nested = False

    def weights(self, layers: Sequence[LayerEntropy], ratio: float) -> list[float]:
        """See Allocator."""
        shares = _softmax([one.full for one in layers], 1.0)
        return [min(1.0, max(0.01, share * len(layers) * ratio)) for share in shares]

    def reads(self, layers: Sequence[LayerEntropy]) -> str:
        """See Allocator."""
        return "full"


def _softmax(values: Sequence[float], temperature: float) -> list[float]:
    if not all(map(math.isfinite, values)):
        raise InputError("no-entropy", "a layer's entropy is not a number: are the model's weights?")
    top = max(values)
    raised = [math.exp((value - top) / temperature) for value in values]
    return [one / sum(raised) for one in raised]


ALLOCATORS: Final[dict[str, Allocator]] = {
    "uniform": Uniform(), "pyramid": Pyramid(), "meda": Meda(), "meda-released": MedaReleased(),
}  # fmt: skip

"""How much each entry of a layer's cache is worth keeping.

A new scorer is a class with `scores` and a line in SCORERS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d


@dataclass(frozen=True, slots=True)
class Entries:
    """What is known of a layer's entries, each [KV heads, n].

    `received` is the attention of all queries so far, `window` that of the last ones, `positions` where the tokens
    stood; `layer` is which one.
    """

    received: Tensor
    window: Tensor
    positions: Tensor
    layer: int


class Scorer(Protocol):
    """Ranks entries."""

    # Whether attention must have been measured, and whether of the last rows alone.
    measured: bool
    last_rows: bool

    def scores(self, entries: Entries) -> Tensor:
        """[KV heads, n], of float32: what is worth more is kept."""
        ...


class ColumnSums:
    """H2O (arXiv 2306.14048): the attention that an entry has received."""

    measured = True
    last_rows = False

    def scores(self, entries: Entries) -> Tensor:
        """See Scorer."""
        return entries.received


class Observed:
    """What an entry has received of each row that sees it: a plain sum favours those that stood first, seen by most."""

    measured = True
    last_rows = False

    def scores(self, entries: Entries) -> Tensor:
        """See Scorer."""
        last = entries.positions.amax(1, keepdim=True)
        return entries.received / (last + 1 - entries.positions)


@dataclass(frozen=True)
class Window:
    """SnapKV (arXiv 2404.14469): the attention of the last queries, smoothed over neighbours."""

    measured = True
    last_rows = True
    kernel: int = 5

    def scores(self, entries: Entries) -> Tensor:
        """See Scorer."""
        return avg_pool1d(entries.window, self.kernel, 1, self.kernel // 2, count_include_pad=False)


class Recent:
    """The later the better."""

    measured = False
    last_rows = False

    def scores(self, entries: Entries) -> Tensor:
        """See Scorer."""
        return entries.positions.float()


@dataclass(frozen=True)
class Random:
    """By lot, of a seed, the layer and the position: a control."""

    measured = False
    last_rows = False
    seed: int = 0

    def scores(self, entries: Entries) -> Tensor:
        """See Scorer."""
        lot = torch.Generator().manual_seed(self.seed * 100003 + entries.layer)
        most = int(entries.positions.max()) + 1
        drawn = torch.rand(entries.positions.shape[0], most, generator=lot).to(entries.positions.device)
        return drawn.gather(1, entries.positions.long())


SCORERS: Final[dict[str, Scorer]] = {
    "h2o": ColumnSums(), "observed": Observed(), "snapkv": Window(), "recent": Recent(), "random": Random(),
}  # fmt: skip

"""What becomes of entries that are dropped: nothing, or each is folded into the kept one whose key is most alike.

A slot that stands for m tokens weighs m. A new merger is a class with `own` and `folded` and a line in MERGERS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

# Dropped entries compared with all kept ones at once.
_TILE: Final = 512


class Merger(Protocol):
    """Weights of a fold: slot = (own x kept + sum of folded x dropped) / (tokens of all)."""

    @property
    def keys(self) -> bool:
        """Whether keys are folded too, else values alone."""
        ...

    def own(self, kept: Tensor, joined: Tensor) -> Tensor:
        """Of a slot that stands for `kept` tokens and is joined by `joined`, both [KV heads, slots]."""
        ...

    def folded(self, tokens: Tensor, similarity: Tensor) -> Tensor:
        """Of a dropped entry that stands for `tokens`, with its cosine similarity, both [KV heads, dropped]."""
        ...


@dataclass(frozen=True)
class Average:
    """MEDA (arXiv 2502.17599), equation 12: the mean of all; with `keys` off of the values alone."""

    keys: bool = True

    def own(self, kept: Tensor, joined: Tensor) -> Tensor:
        """See Merger."""
        return kept

    def folded(self, tokens: Tensor, similarity: Tensor) -> Tensor:
        """See Merger."""
        return tokens


class Pivot:
    """LOOK-M (arXiv 2406.18139), pivotal: the mean of the kept entry and its midpoints with the dropped ones."""

    keys = True

    def own(self, kept: Tensor, joined: Tensor) -> Tensor:
        """See Merger."""
        return kept + joined / 2

    def folded(self, tokens: Tensor, similarity: Tensor) -> Tensor:
        """See Merger."""
        return tokens / 2


class Weighted:
    """LOOK-M, weighted: each dropped entry by its similarity, the denominator staying the count."""

    keys = True

    def own(self, kept: Tensor, joined: Tensor) -> Tensor:
        """See Merger."""
        return kept

    def folded(self, tokens: Tensor, similarity: Tensor) -> Tensor:
        """See Merger."""
        return tokens * similarity


MERGERS: Final[dict[str, Merger | None]] = {
    "none": None, "average": Average(), "pivot": Pivot(), "weighted": Weighted(), "value-only": Average(keys=False),
}  # fmt: skip


@dataclass(slots=True)
class Merged:
    """Slots after a fold: keys and values [KV heads, slots, d], tokens that each stands for, similarities."""

    keys: Tensor
    values: Tensor
    tokens: Tensor
    similarity: Tensor


def fold(keys: Tensor, values: Tensor, tokens: Tensor, kept: Tensor, dropped: Tensor, merger: Merger) -> Merged:
    """Fold dropped entries into kept ones.

    Args:
        keys: [KV heads, n, d].
        values: [KV heads, n, d].
        tokens: [KV heads, n], how many tokens each entry stands for.
        kept: [KV heads, slots], places of what stays.
        dropped: [KV heads, n - slots], places of what goes.
        merger: how.
    """
    nearest, similarity = _nearest(_at(keys, kept), _at(keys, dropped))
    counts = tokens.float()
    own, gone = counts.gather(1, kept), counts.gather(1, dropped)
    joined = torch.zeros_like(own).scatter_add_(1, nearest, gone)
    weights = merger.folded(gone, similarity)
    made = [
        _folded(whole, kept, dropped, nearest, merger.own(own, joined), weights, own + joined) if wanted else None
        for whole, wanted in ((keys, merger.keys), (values, True))
    ]
    return Merged(
        _at(keys, kept) if made[0] is None else made[0],
        _at(values, kept) if made[1] is None else made[1],
        (own + joined).to(tokens.dtype),
        similarity,
    )


def _folded(
    whole: Tensor, kept: Tensor, dropped: Tensor, nearest: Tensor, own: Tensor, weights: Tensor, total: Tensor
) -> Tensor:
    slots = _at(whole, kept).float() * own[..., None]
    adding = _at(whole, dropped).float() * weights[..., None]
    slots.scatter_add_(1, nearest[..., None].expand_as(adding), adding)
    return (slots / total[..., None]).to(whole.dtype)


def _nearest(kept: Tensor, dropped: Tensor) -> tuple[Tensor, Tensor]:
    """For each dropped key the kept one of the highest cosine similarity, and it: [KV heads, dropped] each."""
    aims = torch.nn.functional.normalize(kept.float(), dim=-1).mT
    tiles = [dropped[:, start : start + _TILE] for start in range(0, dropped.shape[1], _TILE)]
    found = [_best(torch.bmm(torch.nn.functional.normalize(some.float(), dim=-1), aims)) for some in tiles]
    return torch.cat([places for places, _ in found], 1), torch.cat([values for _, values in found], 1)


def _best(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Places of the highest of the last axis, and they."""
    if scores.device.type != "cpu":
        highest = scores.max(-1)
        return highest.indices, highest.values
    # Of numpy ten times as fast as torch's on a CPU.
    places = torch.from_numpy(scores.detach().numpy().argmax(-1))
    return places, scores.gather(-1, places[..., None])[..., 0]


def _at(whole: Tensor, places: Tensor) -> Tensor:
    """[KV heads, n, d] at places [KV heads, m] -> [KV heads, m, d]."""
    return whole.gather(1, places[..., None].expand(-1, -1, whole.shape[-1]))

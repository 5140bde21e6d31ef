"""K-MERL's dynamic lead masking (arXiv 2502.17900): whole leads go first, then a share of each kept lead's pieces.

The paper's text can be read in two ways, since it draws 9, 10 or 11 masked leads and still speaks of twelve.
Here half of the records lose 9 to 11 leads and the others 0 to 8, so that a full recording stays familiar.
Tokens that are masked are not gathered: nothing of their samples reaches the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class LeadMasking:
    """How many leads go, and which share of the pieces of each kept lead. The pairs are first and last, inclusive."""

    many: tuple[int, int] = (9, 11)
    few: tuple[int, int] = (0, 8)
    many_share: float = 0.5
    pieces_share: float = 0.25

    def __post_init__(self) -> None:
        for least, most in (self.many, self.few):
            if not 0 <= least <= most:
                raise ValueError(f"no range of dropped leads: {least} to {most}")
        if not (0 <= self.many_share <= 1 and 0 <= self.pieces_share < 1):
            raise ValueError(f"shares of {self.many_share:g} and {self.pieces_share:g}; they lie in 0 to 1")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The chosen tokens of each record of a batch, filled up to the longest.

    index [B, K]: lead * pieces + piece, ascending; 0 at the padding. padding [B, K]: True where there is no token.
    """

    index: Tensor
    padding: Tensor

    def rows(self, first: int, count: int) -> Tokens:
        """Those of `count` records from `first` on, without padding that none of them needs."""
        padding = self.padding[first : first + count]
        longest = int((~padding).sum(1).max()) if len(padding) else 0
        return Tokens(self.index[first : first + count, :longest], padding[:, :longest])


def draw_leads(present: Tensor, masking: LeadMasking, generator: Generator) -> Tensor:
    """Which leads stay [B, leads], out of those that are there [B, leads] bool; at least one for each record.

    The number of leads that go is counted from a full recording: one that lacks leads already loses fewer.
    """
    count, leads = present.shape
    if not bool(present.any(1).all()):
        raise ValueError("a record of the batch has no lead")
    many = torch.rand(count, generator=generator) < masking.many_share
    dropped = torch.where(many, _between(masking.many, count, generator), _between(masking.few, count, generator))
    order = torch.rand(count, leads, generator=generator).masked_fill(~present, 2.0)
    rank = order.argsort(1).argsort(1)
    return (rank < (leads - dropped).clamp(min=1)[:, None]) & present


def draw_tokens(kept: Tensor, pieces: int, masking: LeadMasking, generator: Generator) -> Tokens:
    """The tokens that stay of kept leads [B, leads]: equally many of each lead, other places in each."""
    stay = max(1, round(pieces * (1 - masking.pieces_share)))
    order = torch.rand(*kept.shape, pieces, generator=generator)
    chosen = order.argsort(2)[..., :stay].sort(2).values
    return _gathered(kept, chosen, pieces)


def all_tokens(present: Tensor, pieces: int) -> Tokens:
    """Every token of the leads that are there [B, leads] bool."""
    chosen = torch.arange(pieces).expand(*present.shape, pieces)
    return _gathered(present, chosen, pieces)


def _between(ends: tuple[int, int], count: int, generator: Generator) -> Tensor:
    return torch.randint(ends[0], ends[1] + 1, (count,), generator=generator)


def _gathered(kept: Tensor, chosen: Tensor, pieces: int) -> Tokens:
    """Chosen pieces [B, leads, stay] of the kept leads [B, leads], those of each record moved together."""
    index = (chosen + pieces * torch.arange(kept.shape[1])[:, None]).flatten(1)
    absent = ~kept.repeat_interleave(chosen.shape[2], dim=1)
    order = absent.to(torch.uint8).argsort(dim=1, stable=True)
    longest = int((~absent).sum(1).max()) if len(kept) else 0
    padding = absent.gather(1, order)[:, :longest]
    return Tokens(index.gather(1, order)[:, :longest].masked_fill(padding, 0), padding)

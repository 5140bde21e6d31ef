"""What training does to a batch of prepared windows before the network sees it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

LIMB = (0, 1, 2, 3, 4, 5)


def lead_subsets(count: int, generator: Generator) -> Tensor:
    """Masks [count, 12]: half all leads, else lead I, one lead, the limb leads, or any subset."""
    masks = torch.ones(count, 12)
    kind = torch.rand(count, generator=generator)
    order = torch.rand(count, 12, generator=generator).argsort(1)
    rank = order.argsort(1)
    size = torch.randint(1, 12, (count,), generator=generator)
    some = kind > 0.5
    masks[some] = (rank < size[:, None]).float()[some]
    single = (kind > 0.5) & (kind <= 0.58)
    masks[single] = (rank == 0).float()[single]
    first = (kind > 0.58) & (kind <= 0.70)
    masks[first] = torch.eye(12)[0]
    limb = (kind > 0.70) & (kind <= 0.75)
    masks[limb] = torch.zeros(12).index_fill(0, torch.tensor(LIMB), 1.0)
    return masks


def shorten(x: Tensor, generator: Generator, share: float = 0.15, least: int = 150) -> Tensor:
    """x [B, 12, n], some cut to a random stretch that moves to the front, is scaled anew and padded with zeros."""
    x = x.clone()
    samples = x.shape[-1]
    for row in torch.nonzero(torch.rand(len(x), generator=generator) < share).flatten().tolist():
        length = int(torch.randint(least, samples, (1,), generator=generator))
        start = int(torch.randint(0, samples - length + 1, (1,), generator=generator))
        piece = x[row, :, start : start + length]
        spread = piece.std(1, keepdim=True)
        piece = torch.where(spread > 1e-3, (piece - piece.mean(1, keepdim=True)) / spread.clamp(min=1e-3), piece)
        x[row] = 0
        x[row, :, :length] = piece
    return x


def perturb(x: Tensor, generator: Generator) -> Tensor:
    """x [B, 12, n], each lead with another gain and some noise, in some a stretch blanked out."""
    count, leads, samples = x.shape
    x = x * (1 + 0.15 * torch.randn(count, leads, 1, generator=generator))
    noisy = (torch.rand(count, 1, 1, generator=generator) < 0.5).float()
    x = x + noisy * 0.08 * torch.rand(count, leads, 1, generator=generator) * torch.randn(x.shape, generator=generator)
    start = torch.randint(0, samples, (count, 1), generator=generator)
    width = torch.randint(0, samples // 5, (count, 1), generator=generator)
    time = torch.arange(samples)
    blanked = (time >= start) & (time < start + width) & (torch.rand(count, 1, generator=generator) < 0.3)
    return x.masked_fill(blanked[:, None], 1e-4)


def mixup(x: Tensor, targets: Tensor, generator: Generator, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """Pairs of windows and of targets blended (arXiv 1710.09412); unknown in either stays unknown (NaN)."""
    weight = torch.rand(len(x), generator=generator) * 0.5
    weight = weight * (torch.rand(len(x), generator=generator) < share)
    partner = torch.randperm(len(x), generator=generator)
    own = (1 - weight)[:, None]
    # A weight of zero must not let the partner's NaN through.
    blended = torch.where(weight[:, None] > 0, own * targets + weight[:, None] * targets[partner], targets)
    return own[:, None] * x + weight[:, None, None] * x[partner], blended

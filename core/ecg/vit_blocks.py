"""The pre-norm transformer block that MERL's ViT-1D and K-MERL's lead-aware encoder share.

Parameter names are those of MERL's published checkpoints (arXiv 2403.06659, ViT-1D).
"""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

HEAD_WIDTH: Final = 64


class SelfAttention(nn.Module):
    """Multi-head self-attention, 64 features a head whatever the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * heads * HEAD_WIDTH)
        self.to_out = nn.Sequential(nn.Linear(heads * HEAD_WIDTH, width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        q, k, v = (
            part.unflatten(-1, (self.heads, HEAD_WIDTH)).transpose(1, 2) for part in self.to_qkv(x).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        # The identity stands where the published network has a dropout of rate 0: the names count on it.
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        out: Tensor = self.net(x)
        return out


class PreNorm(nn.Module):
    """A layer that sees its input normalised."""

    def __init__(self, width: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = layer

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        out: Tensor = self.fn(self.norm(x))
        return out


class Block(nn.Module):
    """Self-attention and feed-forward, each added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn = PreNorm(width, SelfAttention(width, heads))
        self.ff = PreNorm(width, FeedForward(width, hidden))

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        x = x + self.attn(x)
        out: Tensor = x + self.ff(x)
        return out


def add_blocks(owner: nn.Module, depth: int, width: int, heads: int, hidden: int) -> list[str]:
    """Give `owner` its blocks as attributes block0, block1, ... and return those names in order."""
    names = [f"block{number}" for number in range(depth)]
    for name in names:
        owner.add_module(name, Block(width, heads, hidden))
    return names

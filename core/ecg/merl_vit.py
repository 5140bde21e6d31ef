"""ViT-1D, the transformer ECG encoder of MERL (ICML 2024, arXiv 2403.06659), and its projector."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from medpipe.core.ecg.vit_blocks import add_blocks

DEPTH: Final = 12
PATCH: Final = 50
# Name of the size -> width, heads, hidden units of the feed-forward layers.
SIZES: Final[dict[str, tuple[int, int, int]]] = {
    "vit-tiny": (192, 3, 768),
    "vit-small": (384, 6, 1536),
    "vit-middle": (512, 8, 2048),
    "vit-base": (768, 12, 3072),
}


class Vit1d(nn.Module):
    """A vision transformer over patches of 50 samples that mix all leads, without a class token.

    Takes exactly `samples` samples. Parameter names and order are those of the published checkpoints.
    """

    def __init__(self, size: str, leads: int = 12, samples: int = 5000) -> None:
        super().__init__()
        self.width, heads, hidden = SIZES[size]
        self.pos_embedding = nn.Parameter(torch.randn(1, samples // PATCH, self.width))
        self.to_patch_embedding = nn.Conv1d(leads, self.width, PATCH, stride=PATCH, bias=False)
        self.block_names = add_blocks(self, DEPTH, self.width, heads, hidden)
        self.norm = nn.LayerNorm(self.width)

    def tokens(self, x: Tensor) -> Tensor:
        """[B, leads, samples] -> the last block's tokens [B, samples / 50, width], before the norm."""
        tokens: Tensor = self.to_patch_embedding(x).transpose(1, 2) + self.pos_embedding
        for name in self.block_names:
            tokens = self.get_submodule(name)(tokens)
        return tokens

    def forward(self, x: Tensor) -> Tensor:
        """[B, leads, samples] -> [B, width]: the mean over tokens, normalised after it."""
        pooled: Tensor = self.norm(self.tokens(x).mean(dim=1))
        return pooled


def projector(width: int, hidden: int = 256, out: int = 256) -> nn.Sequential:
    """MERL's projection of the ViT's pooled token [B, width] into the contrastive space [B, out]."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, out),
        nn.BatchNorm1d(out),
    )

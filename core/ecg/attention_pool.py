"""Attention pooling of a feature map over time, the head of MERL's ResNets (arXiv 2403.06659)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionPool(nn.Module):
    """One learned query attends over all time steps and itself.

    The map must have exactly `steps` time steps: 313 for MERL, that is 4993 to 5008 samples.
    """

    def __init__(self, steps: int = 313, width: int = 256, heads: int = 4) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(1, steps + 1, width) / width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.mhsa = nn.MultiheadAttention(width, heads, batch_first=True)
        self.c_proj = nn.Linear(width, width)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        """[B, width, steps] -> the pooled vector [B, width] and the attention on each step [B, 1, steps].

        The attention is the mean over heads; it leaves out the query's own column.
        """
        # The published model adds the first position to the query twice: here and with all the others.
        query = (self.cls_token + self.positional_embedding[:, :1]).expand(feature_map.shape[0], -1, -1)
        steps = torch.cat((query, feature_map.transpose(1, 2)), dim=1) + self.positional_embedding
        pooled, attention = self.mhsa(steps[:, :1], steps, steps)
        return self.c_proj(pooled)[:, 0], attention[:, :, 1:]

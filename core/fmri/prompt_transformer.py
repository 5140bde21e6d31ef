"""The transformer that turns a few vectors into a prompt, as ClipCap has it: learned queries behind the vectors.

ClipCap: Mokady et al. 2021 (arXiv 2111.09734), section 3.2. BP-GPT (arXiv 2502.15172) has it twice: over responses,
and over the vector of a text.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PromptTransformer(nn.Module):
    """Vectors [batch, n, width] -> prompt [batch, length, width]: what stands in the places of the queries.

    Args:
        width: of every vector, a multiple of `heads`.
        length: vectors of the prompt.
        layers: pre-norm layers, each sees all places.
        heads: of attention.
        ratio: of the hidden width to `width`.
        dropout: after both linear maps of a hidden layer.
    """

    def __init__(
        self, width: int, length: int, layers: int = 8, heads: int = 8, ratio: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.queries = nn.Parameter(torch.randn(length, width))
        self.layers = nn.ModuleList(_Layer(width, heads, width * ratio, dropout) for _ in range(layers))

    def forward(self, vectors: Tensor) -> Tensor:
        """See the class."""
        queries = self.queries.expand(len(vectors), -1, -1)
        x = torch.cat([vectors, queries], dim=1)
        for layer in self.layers:
            x = layer(x)
        return x[:, vectors.shape[1] :]


class _Layer(nn.Module):
    """Attention without biases on the way in, then a hidden layer; each on normalised input and added to it."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_queries = nn.Linear(width, width, bias=False)
        self.to_keys_values = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)
        self.hidden = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        normal = self.norm1(x)
        keys, values = self.to_keys_values(normal).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(
            self._split(self.to_queries(normal)), self._split(keys), self._split(values)
        )
        x = x + self.project(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.hidden(self.norm2(x))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """[batch, n, width] -> [batch, heads, n, width / heads]."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

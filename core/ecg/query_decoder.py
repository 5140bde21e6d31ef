"""Text queries that look at an ECG's tokens: SuPreME's Cardiac Fusion Network and K-MERL's cardiac query network.

Neither paper (arXiv 2502.19668, 2502.17900) tells depth or width; the defaults are those of KAD (chest X-ray,
github.com/xiaoman-zhang/KAD), whose decoder both follow: 4 layers, 4 heads, width 768, one shared norm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

_SPREAD: Final = 0.02


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """Everything that a decoder is built from. `memory` and `text` are the widths of what comes in."""

    memory: int
    text: int
    width: int = 768
    layers: int = 4
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    self_attention: bool = False

    def facts(self) -> dict[str, int | float | bool]:
        """The fields by name, for a description in JSON."""
        return asdict(self)


class QueryLayer(nn.Module):
    """Attention among the queries, where wanted, then of each query on the memory, then feed-forward; pre-norm."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.among: nn.MultiheadAttention | None = None
        if shape.self_attention:
            self.among = nn.MultiheadAttention(shape.width, shape.heads, shape.dropout, batch_first=True)
            self.among_norm = nn.LayerNorm(shape.width)
        self.across = nn.MultiheadAttention(shape.width, shape.heads, shape.dropout, batch_first=True)
        self.across_norm = nn.LayerNorm(shape.width)
        self.inner, self.outer = nn.Linear(shape.width, shape.hidden), nn.Linear(shape.hidden, shape.width)
        self.outer_norm = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(
        self, queries: Tensor, memory: Tensor, padding: Tensor | None, attention: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """[B, Q, width], [B, T, width], padding [B, T] -> [B, Q, width] and, if asked for, attention [B, Q, T]."""
        if self.among is not None:
            normed = self.among_norm(queries)
            queries = queries + self.drop(self.among(normed, normed, normed, need_weights=False)[0])
        found, weights = self.across(
            self.across_norm(queries), memory, memory, key_padding_mask=padding, need_weights=attention
        )
        queries = queries + self.drop(found)
        hidden = self.drop(F.relu(self.inner(self.outer_norm(queries))))
        return queries + self.drop(self.outer(hidden)), weights


class QueryDecoder(nn.Module):
    """One logit for each text query and ECG.

    Without `self_attention` no query sees another, so that a score does not depend on the list of classes; with
    it, as in KAD, it does. KAD has two logits and a softmax; the softmax of two is the sigmoid of their
    difference, so one logit says the same and is what binary cross-entropy takes. The layers add no place in
    time to the memory: the encoder's tokens carry theirs.
    """

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        if shape.width % shape.heads:
            raise ValueError(f"a width of {shape.width} does not divide into {shape.heads} heads")
        self.shape = shape
        self.memory_projection = nn.Linear(shape.memory, shape.width)
        self.query_projection = nn.Linear(shape.text, shape.width)
        self.layers = nn.ModuleList([QueryLayer(shape) for _ in range(shape.layers)])
        # One for memory, queries and result, as in KAD.
        self.norm = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(shape.dropout)
        self.head = nn.Linear(shape.width, 1)
        self.apply(_draw)

    def forward(self, memory: Tensor, queries: Tensor, padding: Tensor | None = None) -> Tensor:
        """An ECG's tokens [B, T, memory], text vectors [Q, text], padding [B, T] (True: no token) -> logits [B, Q]."""
        return self._decode(memory, queries, padding, attention=False)[0]

    def attend(self, memory: Tensor, queries: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits [B, Q], and the last layer's attention of each query on each token [B, Q, T], mean over heads.

        Rows of the attention sum to one over the tokens that are no padding, but for dropout in training.
        """
        logits, attention = self._decode(memory, queries, padding, attention=True)
        if attention is None:
            raise ValueError("a decoder without layers attends to nothing")
        return logits, attention

    def _decode(
        self, memory: Tensor, queries: Tensor, padding: Tensor | None, attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        if queries.ndim != 2 or queries.shape[1] != self.shape.text:
            raise ValueError(f"queries of shape {list(queries.shape)}; the decoder takes [queries, {self.shape.text}]")
        memory = self.norm(self.memory_projection(memory))
        one = self.norm(self.query_projection(queries))
        out, weights = self.drop(one.expand(len(memory), -1, -1)), None
        for number, layer in enumerate(self.layers, 1):
            out, weights = layer(out, memory, padding, attention and number == len(self.layers))
        logits: Tensor = self.head(self.norm(out))[..., 0]
        return logits, weights


def _draw(module: nn.Module) -> None:
    """KAD's initial weights: normal with a spread of 0.02 for linear maps and those of the attention."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=_SPREAD)
    if isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
        nn.init.normal_(module.in_proj_weight, std=_SPREAD)

"""A loss that teaches the image tokens where boxes are, while an answer's words teach it only by the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medpipe.core.vision.ground_batch import Example

_EDGES: Final = 5.0


class DenseBoxes(nn.Module):
    """One linear layer on image tokens: of every finding whether a box has its middle there, and the box's edges."""

    def __init__(self, width: int, names: Sequence[str], side: int, stride: int) -> None:
        """`side` of the input and `stride` of an image token are in pixels."""
        super().__init__()
        self.names, self.side, self.stride, self.cells = list(names), side, stride, side // stride
        self.layer = nn.Linear(width, len(names) * 5)

    def forward(self, tokens: Tensor, examples: Sequence[Example]) -> Tensor:
        """Image tokens [B, 1 + cells^2, width], the first that of the whole image -> the loss.

        Cross-entropy of the middles and five times the distance of the edges, in sides of the input; both for a box.
        """
        told = self.layer(tokens[:, 1:]).float().view(len(tokens), -1, len(self.names), 5)
        middle, edges = (part.to(tokens.device) for part in self.targets(examples))
        count = middle.sum().clamp(min=1)
        found = F.binary_cross_entropy_with_logits(told[..., 0], middle, reduction="sum")
        apart = ((told[..., 1:] - edges).abs() * middle[..., None]).sum()
        loss: Tensor = (found + _EDGES * apart) / count
        return loss

    def targets(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Middles [B, cells^2, names] and edges [B, cells^2, names, 4]; of boxes in one cell the last counts."""
        middle = torch.zeros(len(examples), self.cells**2, len(self.names))
        edges = torch.zeros(*middle.shape, 4)
        for number, one in enumerate(examples):
            for label, box in zip(one.labels, one.there, strict=True):
                column, row = (min(self.cells - 1, int((box[k] + box[k + 2]) / 2 // self.stride)) for k in (0, 1))
                place = number, row * self.cells + column, self.names.index(label)
                middle[place] = 1
                edges[place] = torch.tensor(box / self.side)
        return middle, edges

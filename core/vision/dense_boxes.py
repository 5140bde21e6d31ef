"""A loss that teaches the image tokens where boxes are, while an answer's words teach it only by the way.

It speaks of edges in the answers' own terms, the vectors of the locations: what it puts into a token the decoder has
only to copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medpipe.core.vision.ground_batch import Example
from medpipe.core.vision.location_tokens import BINS, quantise


class DenseBoxes(nn.Module):
    """Two linear layers on image tokens: of every finding whether a box has its middle there, and that box's edges."""

    def __init__(self, width: int, names: Sequence[str], side: int, stride: int, spread: float) -> None:
        """`side` of the input and `stride` of an image token are in pixels, an edge's `spread` in bins."""
        super().__init__()
        self.names, self.side, self.stride, self.spread = list(names), side, stride, spread
        self.cells = side // stride
        self.middle = nn.Linear(width, len(names))
        self.edges = nn.Linear(width, 4 * width)

    def forward(self, tokens: Tensor, examples: Sequence[Example], locations: Tensor) -> Tensor:
        """Image tokens [B, 1 + cells^2, width], the first that of the whole image, and location vectors -> the loss.

        Cross-entropy of the middles, for a box, and that of its edges. `locations` [BINS, width] are left as they are.
        """
        middle, edges = (part.to(tokens.device) for part in self.targets(examples))
        found = F.binary_cross_entropy_with_logits(self.middle(tokens[:, 1:]).float(), middle, reduction="sum")
        held = edges[..., 0] >= 0
        count = held.sum().clamp(min=1)
        told = self.edges(tokens[:, 1:][held]).view(-1, 4, tokens.shape[2]) @ locations.detach().T
        apart = spread_entropy(torch.log_softmax(told.float(), dim=-1), edges[held], self.spread)
        loss: Tensor = found / count + apart.sum() / (4 * count)
        return loss

    def targets(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Middles [B, cells^2, names] and edges [B, cells^2, 4] in bins, -1 without; of boxes in one cell the last."""
        middle = torch.zeros(len(examples), self.cells**2, len(self.names))
        edges = torch.full((len(examples), self.cells**2, 4), -1)
        for number, one in enumerate(examples):
            bins = quantise(one.there, (self.side, self.side))
            for label, box, bin_ in zip(one.labels, one.there, bins, strict=True):
                column, row = (min(self.cells - 1, int((box[k] + box[k + 2]) / 2 // self.stride)) for k in (0, 1))
                middle[number, row * self.cells + column, self.names.index(label)] = 1
                edges[number, row * self.cells + column] = torch.from_numpy(bin_)
        return middle, edges


def spread_entropy(logs: Tensor, place: Tensor, spread: float) -> Tensor:
    """Cross-entropies [...] of log-probabilities [..., BINS] against a normal law around the bins `place` [...].

    The law is cut off at the first and the last bin; a `spread` of 0 is the one bin.
    """
    if not spread:
        return -logs.gather(-1, place[..., None])[..., 0]
    bins = torch.arange(BINS, device=logs.device)
    law = torch.softmax(-((bins - place[..., None]) ** 2) / (2 * spread**2), dim=-1)
    return -(law * logs).sum(dim=-1)

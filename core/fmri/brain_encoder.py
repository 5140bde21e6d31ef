"""The brain prompt of BP-GPT (arXiv 2502.15172, section 2): a window of responses to vectors that a model reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.core.fmri.prompt_transformer import PromptTransformer


class BrainEncoder(nn.Module):
    """Responses [batch, times, voxels], standardised by voxel, -> prompt [batch, length, width].

    A learned place is added to each time, in the space of voxels; times become vectors, and a transformer with
    learned queries makes the prompt of them. At the published shape, 10 times, 100 vectors of 768, it has
    778 * voxels + 37,875,456 parameters.

    Args:
        times: volumes of a window.
        voxels: of the subject's region.
        width: of the language model's vectors.
        length: vectors of the prompt.
        layers: of the transformer.
        heads: of its attention.
        dropout: of its hidden layers; released code asks for 0.1, which does not reach them.
    """

    def __init__(
        self, times: int, voxels: int, width: int = 768, length: int = 100, layers: int = 8, heads: int = 8,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        # Beside responses of variance 1 a place is small, so that it does not begin as noise.
        self.place = nn.Parameter(0.02 * torch.randn(times, voxels))
        self.to_vectors = nn.Linear(voxels, width)
        self.transformer = PromptTransformer(width, length, layers, heads, dropout=dropout)

    def forward(self, responses: Tensor) -> Tensor:
        """See the class. Raises ValueError for another shape of window."""
        if responses.shape[1:] != self.place.shape:
            raise ValueError(f"windows of {tuple(responses.shape[1:])}, the encoder is for {tuple(self.place.shape)}")
        prompt: Tensor = self.transformer(self.to_vectors(responses + self.place))
        return prompt

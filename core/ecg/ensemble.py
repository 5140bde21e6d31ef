"""Several networks as one: embeddings side by side, so that a linear classifier averages the members' logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.ecg.concept_objective import Classifier
from medpipe.core.ecg.export import fold_norms, round_to_half


class Joined(nn.Module):
    """Encoders that see the same input; embedding and tokens are theirs, one after the other."""

    def __init__(self, encoders: Sequence[nn.Module], dim: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.dim = dim

    def forward(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, 12, n], present [B, 12] -> embedding [B, dim] and tokens [B, pieces, channels]."""
        found = [encoder(x, present) for encoder in self.encoders]
        embeddings, tokens = zip(*found, strict=True)
        return torch.cat(embeddings, dim=1), torch.cat(tokens, dim=2)


class Ensemble:
    """Trained members and what follows from them."""

    def __init__(self, networks: Sequence[Classifier]) -> None:
        self._networks = list(networks)

    def encoder(self) -> Joined:
        """The encoder that ships: batch norms folded, weights as float16 holds them."""
        folded = [fold_norms(network.encoder) for network in self._networks]
        joined = Joined(folded, sum(encoder.dim for encoder in folded)).eval()
        round_to_half(joined)
        return joined

    def classifiers(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [concepts, dim] and biases [concepts] on the joined embedding: the mean of the members' logits."""
        count = len(self._networks)
        weights = [network.head.weight.detach().numpy() / count for network in self._networks]
        biases = [network.head.bias.detach().numpy() / count for network in self._networks]
        return np.concatenate(weights, axis=1), np.sum(biases, axis=0)

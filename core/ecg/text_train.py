"""The small network from a text's vector to the concepts that the text means, trained on `phrases`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from medpipe.core.ecg.phrases import TEMPLATES, taught
from medpipe.core.ecg.ptbxl import CONCEPTS
from medpipe.core.ecg.text_tower import TextTower

Array = NDArray[np.float32]
# Of the templates, how many are tried on each phrase, the bare one among them.
_FORMS: Final = 4


@dataclass(frozen=True)
class TextPlan:
    """What changes the outcome of `train_shares`, besides the texts."""

    seed: int = 0
    steps: int = 1500
    batch: int = 256
    width: int = 256
    rate: float = 2e-3
    weight_decay: float = 0.02
    noise: float = 0.6
    dropout: float = 0.3


@dataclass(frozen=True)
class Taught:
    """Phrases in some of their templates: vectors [texts, 384], shares [texts, concepts + 1], number of the phrase."""

    vectors: Array
    shares: Array
    phrase: NDArray[np.int64]

    def without(self, phrases: NDArray[np.bool_]) -> Taught:
        """All but the texts of the phrases where `phrases` is true."""
        kept = ~phrases[self.phrase]
        return Taught(self.vectors[kept], self.shares[kept], self.phrase[kept])


def read_phrases(tower: TextTower) -> Taught:
    """Every phrase of the training through the text tower."""
    vectors, shares, numbers = [], [], []
    for number, (phrase, wanted) in enumerate(taught()):
        for form in range(_FORMS):
            # The bare phrase, then others by turns, so that all templates come up.
            template = TEMPLATES[0 if form == 0 else 1 + (number * (_FORMS - 1) + form) % (len(TEMPLATES) - 1)]
            vectors.append(tower.encode(template.format(phrase)))
            shares.append(share_row(wanted))
            numbers.append(number)
    return Taught(np.stack(vectors), np.stack(shares), np.array(numbers))


def share_row(wanted: Mapping[str, float]) -> Array:
    """Shares by name as a row [concepts + 1]; nothing wanted is `unrelated`, the last."""
    row = np.zeros(len(CONCEPTS) + 1, np.float32)
    for concept, share in wanted.items():
        row[CONCEPTS.index(concept)] = share
    row[-1] = 1 - row[:-1].sum()
    return row


class Shares(nn.Module):
    """Vector [B, 384] -> logits of the concepts and of `unrelated`, [B, concepts + 1]."""

    def __init__(self, plan: TextPlan) -> None:
        super().__init__()
        self.hidden = nn.Linear(384, plan.width)
        self.shares = nn.Linear(plan.width, len(CONCEPTS) + 1)
        self.dropout = nn.Dropout(plan.dropout)

    def forward(self, vector: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.shares(self.dropout(F.relu(self.hidden(vector))))
        return logits


def train_shares(known: Taught, plan: TextPlan) -> Shares:
    """A Shares network, trained with noise on the vectors so that neighbours of a phrase mean the same."""
    torch.manual_seed(plan.seed)
    generator = Generator().manual_seed(plan.seed)
    network = Shares(plan)
    vectors, shares = torch.from_numpy(known.vectors), torch.from_numpy(known.shares)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=plan.steps)
    # Concepts with many phrases must not outweigh those with few.
    weight = 1 / torch.sqrt((shares / shares.sum(0).clamp(min=1)).sum(1).reciprocal())
    for _ in range(plan.steps):
        rows = torch.multinomial(weight, plan.batch, replacement=True, generator=generator)
        size = plan.noise * torch.rand(plan.batch, 1, generator=generator) / np.sqrt(vectors.shape[1])
        noisy = F.normalize(vectors[rows] + size * torch.randn(plan.batch, vectors.shape[1], generator=generator))
        value = F.cross_entropy(network(noisy), shares[rows], label_smoothing=0.02)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return network.eval()


def head_weights(network: Shares, weights: Array, biases: Array, unrelated: float) -> dict[str, Array]:
    """What the shipped file holds: the network, and the concepts' classifiers with `unrelated` after them.

    `weights` [concepts, dim] and `biases` [concepts]; `unrelated` is the logit of texts about nothing here.
    """
    parts = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    parts["concepts.weight"] = np.concatenate([weights, np.zeros_like(weights[:1])])
    parts["concepts.bias"] = np.append(biases, np.float32(unrelated))
    return {name: value.astype(np.float32) for name, value in parts.items()}


def concept_of(phrases: Sequence[str], tower: TextTower, network: Shares) -> list[str]:
    """The concept with the largest share, for each phrase; `unrelated` is one of them."""
    vectors = torch.from_numpy(np.stack([tower.encode(phrase) for phrase in phrases]))
    with torch.no_grad():
        best = network(vectors).argmax(1)
    return [(*CONCEPTS, "unrelated")[int(place)] for place in best]

"""MERL's linear probe as its code was released (arXiv 2403.06659, main_single.py): the best epoch by the test labels.

Its figures flatter, and serve to be compared with published ones. Two of its defects are not repeated: the encoder
is frozen whatever the run is called, with its batch norms at rest, and the learning rate does not fall after 40
steps.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.ecg.probe import Array, Probed, Sample, mean_auroc

EPOCHS: Final = 100
BATCH: Final = 16
RATE: Final = 1e-3
DECAY: Final = 1e-4


def probe_released(train: Sample, test: Sample, seed: int) -> Probed:
    """A linear layer by Adam on binary cross-entropy; `chosen` is the epoch, from 1, with the best AUROC on `test`."""
    learnt = train.learnable()
    counted = np.flatnonzero(learnt & test.learnable())
    best = Probed(np.zeros(test.labels.shape), None, learnt)
    highest = -1.0
    for epoch, scores in enumerate(_epochs(train, test.features, seed), 1):
        quality = mean_auroc(test.labels, scores, counted)
        if quality > highest:
            highest, best = quality, Probed(np.where(learnt, scores, 0.0), float(epoch), learnt)
    return best


def _epochs(train: Sample, test: NDArray[np.floating], seed: int) -> list[Array]:
    """Scores of the test recordings [m, classes] after each epoch."""
    inputs, labels = _tensor(train.features), _tensor(train.labels)
    others = _tensor(test)
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(inputs.shape[1], labels.shape[1])
        optimiser = torch.optim.Adam(layer.parameters(), lr=RATE, weight_decay=DECAY)
        for _ in range(EPOCHS):
            for rows in torch.split(torch.randperm(len(inputs)), BATCH):
                optimiser.zero_grad()
                _loss(layer(inputs[rows]), labels[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                found.append(layer(others).double().numpy())
    return found


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the labels that are known."""
    known = torch.isfinite(labels)
    return F.binary_cross_entropy_with_logits(logits[known], labels[known], reduction="sum") / known.sum().clamp(min=1)


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32))

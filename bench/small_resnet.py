"""The mark for the default model: a small residual network with random lead dropout and mixup, four minutes of a core.

Zeros stand for absent leads, the five superclasses are its only targets, nothing else is done.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from medpipe.core.ecg.augment import mixup

WIDTHS = (48, 48, 80, 128, 176)
KERNEL, DROPOUT, CLASSES = 9, 0.2, 5
SECONDS, BATCH, RATE, DECAY, SHIFT = 240.0, 64, 3e-3, 0.05, 100


class Block(nn.Module):
    """Two convolutions and a shortcut, the length halved."""

    def __init__(self, wide_in: int, wide: int) -> None:
        super().__init__()
        half = KERNEL // 2
        self.first = nn.Sequential(nn.Conv1d(wide_in, wide, KERNEL, 2, half, bias=False), nn.BatchNorm1d(wide))
        self.second = nn.Sequential(nn.Conv1d(wide, wide, KERNEL, 1, half, bias=False), nn.BatchNorm1d(wide))
        self.shortcut = nn.Sequential(nn.Conv1d(wide_in, wide, 1, 2, bias=False), nn.BatchNorm1d(wide))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.dropout(F.relu(self.first(x)))) + self.shortcut(x))


def build() -> nn.Sequential:
    stem = nn.Conv1d(12, WIDTHS[0], 15, 2, 7, bias=False), nn.BatchNorm1d(WIDTHS[0]), nn.ReLU()
    blocks = [Block(a, b) for a, b in pairwise(WIDTHS)]
    head = nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(WIDTHS[-1], CLASSES)
    return nn.Sequential(*stem, *blocks, *head)


def lead_dropout(count: int, generator: Generator) -> Tensor:
    """Masks [count, 12]: half keep all leads, of the rest a third keep lead I alone, the others a random share."""
    kind = torch.rand(count, generator=generator)
    masks = (torch.rand(count, 12, generator=generator) > torch.rand(count, 1, generator=generator)).float()
    masks[kind < 0.5] = 1.0
    masks[kind > 0.85] = torch.eye(12)[0]
    return masks


def train(x: Tensor, targets: Tensor, seed: int, epochs: int = 30) -> nn.Sequential:
    """Trained for `epochs`, or until SECONDS of processor time are over."""
    torch.manual_seed(seed)
    generator = Generator().manual_seed(seed)
    network, began = build(), time.process_time()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * (len(x) // BATCH))
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x), generator=generator), BATCH):
            if len(rows) < BATCH or time.process_time() - began > SECONDS:
                continue
            shift = int(torch.randint(-SHIFT, SHIFT, (1,), generator=generator))
            kept = lead_dropout(BATCH, generator)[:, :, None]
            window, wanted = mixup(torch.roll(x[rows], shift, -1) * kept, targets[rows], generator)
            value = F.binary_cross_entropy_with_logits(network(window), wanted)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def scores(network: nn.Sequential, x: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Logits [n, 5] of windows [n, 12, samples] from the leads that are `present` [12]."""
    kept = torch.from_numpy(present.astype(np.float32))[:, None]
    return torch.cat([network(part * kept) for part in torch.split(torch.from_numpy(x), 128)]).double().numpy()

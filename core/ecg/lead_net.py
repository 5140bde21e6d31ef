"""The default ECG network: residual convolutions over whichever of the twelve leads are there.

The first layer sums one filter bank per lead, so an absent lead adds nothing; what its absence means
is told by a gain and an offset on the first features, linear in the mask of the leads.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEADS = 12
# Shortest and longest lag of the autocorrelation, in samples at 50 Hz.
LAGS = (10, 110)


class Excite(nn.Module):
    """Channel gains from the mean over time (squeeze and excitation, arXiv 1709.01507)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(width, width // 8)
        self.wide = nn.Linear(width // 8, width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x [B, width, n] and the padding mask [B, 1, n] -> [B, width, n]."""
        mean = (x * valid).sum(-1) / valid.sum(-1).clamp(min=1)
        return x * torch.sigmoid(self.wide(F.relu(self.narrow(mean)))).unsqueeze(-1)


class Residual(nn.Module):
    """Two convolutions and a shortcut; the first convolution halves the length when `stride` is 2."""

    def __init__(self, width_in: int, width: int, stride: int, kernel: int) -> None:
        super().__init__()
        half = kernel // 2
        self.first = nn.Conv1d(width_in, width, kernel, stride, half, bias=False)
        self.first_norm = nn.BatchNorm1d(width)
        self.second = nn.Conv1d(width, width, kernel, 1, half, bias=False)
        self.second_norm = nn.BatchNorm1d(width)
        self.excite = Excite(width)
        self.stride = stride
        same = stride == 1 and width_in == width
        self.shortcut = nn.Identity() if same else nn.Conv1d(width_in, width, 1, bias=False)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x [B, width_in, n] and the mask of its outcome [B, 1, n / stride] -> [B, width, n / stride]."""
        inner = self.dropout(F.relu(self.first_norm(self.first(x))))
        inner = self.excite(self.second_norm(self.second(inner)), valid)
        short = F.avg_pool1d(x, 2, ceil_mode=True) if self.stride == 2 else x
        return F.relu(inner + self.shortcut(short)) * valid


class Rhythm(nn.Module):
    """What the spacing of the beats tells: an autocorrelation of the slope's size, through two small layers.

    The slope is taken over all leads at 100 Hz and smoothed to 50 Hz; lags reach from 0.2 to 2.2 s.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LAGS[1] + 1 - LAGS[0], 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, width), nn.ReLU()
        )

    def forward(self, x: Tensor, leads: Tensor) -> Tensor:
        """x [B, 12, n] with zeros for what is absent, and the leads that are there [B, 12] -> [B, width]."""
        slope = x[..., 2:] - x[..., :-2]
        size = torch.sqrt(slope.square().sum(1, keepdim=True) / leads.sum(1).clamp(min=1)[:, None, None] + 1e-6)
        size = F.avg_pool1d(size, 8, 2).squeeze(1)
        inside = (size > 2e-3).to(x.dtype)
        size = (size - (size * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True).clamp(min=1)) * inside
        # Copies of the row, zeros after it, laid out with one number less a line: each line is shifted by one more.
        row = F.pad(size, (0, LAGS[1]))
        lines = row.unsqueeze(1).expand(-1, LAGS[1] + 1, -1).flatten(1)
        length = row.shape[1] - 1
        shifted = lines[:, : (LAGS[1] + 1) * length].reshape(-1, LAGS[1] + 1, length)
        products = (shifted @ row[:, :length].unsqueeze(-1)).squeeze(-1)[:, LAGS[0] :]
        found: Tensor = self.layers(4 * products / (size.square().sum(1, keepdim=True) + 1e-3))
        return found


class LeadNet(nn.Module):
    """x [B, 12, n] at 100 Hz and which rows are real [B, 12] -> embedding [B, dim] and tokens.

    Rows of zeros count as absent, and times at which every lead is zero as padding: neither reaches
    the result, and rows marked absent may hold anything.
    """

    def __init__(
        self, widths: tuple[int, ...] = (48, 80, 128, 176), dim: int = 128, kernel: int = 7, stem_stride: int = 4
    ) -> None:
        super().__init__()
        stem = widths[0]
        self.stem_stride = stem_stride
        self.stem = nn.Conv1d(LEADS, stem, 15, stem_stride, 7, bias=False)
        self.lead_gain = nn.Linear(LEADS, stem)
        self.lead_offset = nn.Linear(LEADS, stem)
        self.stem_norm = nn.BatchNorm1d(stem)
        blocks = [Residual(stem, stem, 1, kernel)]
        blocks += [Residual(a, b, 2, kernel) for a, b in pairwise(widths)]
        self.blocks = nn.ModuleList(blocks)
        self.strides = [1] + [2] * (len(widths) - 1)
        self.pooled_dropout = nn.Dropout(0.2)
        self.rhythm = Rhythm()
        self.out = nn.Linear(2 * widths[-1] + 32, dim)
        self.widths, self.dim, self.kernel, self.token_dim = widths, dim, kernel, widths[-1]

    def forward(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding [B, dim] and tokens [B, pieces, token_dim], a piece for every 320 ms."""
        x, leads = self.visible(x, present)
        features, valid = self.features(x, leads)
        count = valid.sum(-1).clamp(min=1)
        mean = features.sum(-1) / count
        # Features are not negative and zero in the padding, so the padding is never the maximum.
        highest = features.amax(-1)
        pooled = self.pooled_dropout(torch.cat([mean, highest, self.rhythm(x, leads)], dim=1))
        return self.out(pooled), features.transpose(1, 2)

    def visible(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """x with zeros in the rows that are absent, and which rows [B, 12] are there and move."""
        x = torch.where(present.unsqueeze(-1) > 0.5, x, torch.zeros_like(x))
        return x, (x.abs().amax(-1) > 0).to(x.dtype)

    def features(self, x: Tensor, leads: Tensor) -> tuple[Tensor, Tensor]:
        """What `visible` gives -> the last feature map [B, token_dim, pieces] and its padding mask [B, 1, pieces]."""
        valid = F.max_pool1d((x.abs().amax(1, keepdim=True) > 0).to(x.dtype), self.stem_stride, ceil_mode=True)
        # As many leads as there are, the same scale: the sum over leads grows as the root of their number.
        scale = torch.sqrt(LEADS / leads.sum(1).clamp(min=1))
        hidden = self.stem_norm(self.stem(x) * scale[:, None, None])
        absent = 1 - leads
        hidden = hidden * (1 + self.lead_gain(absent).unsqueeze(-1)) + self.lead_offset(absent).unsqueeze(-1)
        hidden = F.relu(hidden) * valid
        for block, stride in zip(self.blocks, self.strides, strict=True):
            if stride == 2:
                valid = F.max_pool1d(valid, 2, ceil_mode=True)
            hidden = block(hidden, valid)
        return hidden, valid

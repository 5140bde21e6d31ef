"""ResNet-1D, the convolutional ECG encoder of MERL (ICML 2024, arXiv 2403.06659).

A stem without max-pooling and four stages; the whole stride is 16, so that 5000 samples give a
feature map of 313 steps. Parameter names and their order are those of the published checkpoints.
"""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

STAGE_WIDTHS: Final = (64, 128, 256, 512)
STAGE_STRIDES: Final = (1, 2, 2, 2)
# Name of the depth -> blocks in each stage, and whether they are bottlenecks.
DEPTHS: Final[dict[str, tuple[tuple[int, int, int, int], bool]]] = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
}


class BasicBlock(nn.Module):
    """Two convolutions of width 3 beside a shortcut."""

    expansion: Final = 1

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels_in, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        self.shortcut = _shortcut(channels_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, L] -> [B, width, ceil(L / stride)]."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """Convolutions of width 1, 3 (with the stride) and 1 (four times as wide) beside a shortcut."""

    expansion: Final = 4

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        channels_out = width * self.expansion
        self.conv1 = nn.Conv1d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        self.conv3 = nn.Conv1d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm1d(channels_out)
        self.shortcut = _shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, L] -> [B, 4 * width, ceil(L / stride)]."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class ResNet1d(nn.Module):
    """MERL's ResNet-18, -34, -50 or -101 over `leads` leads.

    `linear` takes no part: the published state dictionaries hold it, so this one does too.
    """

    def __init__(self, depth: str, leads: int = 12) -> None:
        super().__init__()
        counts, bottleneck = DEPTHS[depth]
        block = Bottleneck if bottleneck else BasicBlock
        self.conv1 = nn.Conv1d(leads, STAGE_WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(STAGE_WIDTHS[0])
        channels = STAGE_WIDTHS[0]
        stages = []
        for width, first_stride, count in zip(STAGE_WIDTHS, STAGE_STRIDES, counts, strict=True):
            blocks = []
            for stride in (first_stride, *(1,) * (count - 1)):
                blocks.append(block(channels, width, stride))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.linear = nn.Linear(channels, 10)
        self.width = channels

    def forward(self, x: Tensor) -> Tensor:
        """[B, leads, L] -> the feature map [B, width, ceil(L / 16)]."""
        y = F.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            y = stage(y)
        return y


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    if stride == 1 and channels_in == channels_out:
        return nn.Sequential()
    return nn.Sequential(
        nn.Conv1d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm1d(channels_out)
    )

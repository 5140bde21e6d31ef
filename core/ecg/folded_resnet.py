"""MERL's ResNet-1D arranged for one CPU core: norms folded in, channels last, Winograd's F(4, 3).

The function is that of `ResNet1d` in evaluation, equal to rounding. Batch normalisation becomes part
of the weights and bias before it. Features lie as [records, time, channels], where a convolution of width 1 is
one matrix product and a strided one a product over its gathered taps. A convolution of width 3 and
stride 1, where nearly all the time goes, takes six products for four outputs instead of twelve
(Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4.1).
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medpipe.core.ecg.merl_resnet import BasicBlock, Bottleneck, ResNet1d

_TILE: Final = 4
# Stages with this many channels or more have weights larger than their features: there, records that
# share a product save time, and before it they would only crowd each other out of the cache.
_SHARED_WIDTH: Final = 256
# The filter's transform G of F(4, 3): three taps become six.
_G: Final = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)


class FoldedResNet(nn.Module):
    """A trained ResNet1d, for inference on a CPU."""

    def __init__(self, network: ResNet1d) -> None:
        super().__init__()
        self.width = network.width
        self.stem = _convolution(network.conv1, network.bn1)
        stages = (network.layer1, network.layer2, network.layer3, network.layer4)
        blocks = [block for stage in stages for block in stage if isinstance(block, BasicBlock | Bottleneck)]
        wide = [block.conv1.out_channels >= _SHARED_WIDTH for block in blocks]
        self.alone = nn.ModuleList(map(_Block, blocks[: wide.index(True)]))
        self.shared = nn.ModuleList(map(_Block, blocks[wide.index(True) :]))

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        """[B, leads, L] -> the feature map [B, width, ceil(L / 16)]."""
        y = torch.cat([self._early(record) for record in x.transpose(1, 2)])
        for block in self.shared:
            y = block(y)
        return y.transpose(1, 2)

    def _early(self, record: Tensor) -> Tensor:
        y: Tensor = self.stem(record[None]).relu_()
        for block in self.alone:
            y = block(y)
        return y


class _Block(nn.Module):
    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
        if isinstance(block, Bottleneck):
            pairs.append((block.conv3, block.bn3))
        self.path = nn.ModuleList(_convolution(conv, norm) for conv, norm in pairs)
        self.shortcut = _convolution(*block.shortcut) if len(block.shortcut) else None

    def forward(self, x: Tensor) -> Tensor:
        *inner, last = self.path
        y = x
        for layer in inner:
            y = layer(y).relu_()
        y = last(y)
        y += x if self.shortcut is None else self.shortcut(x)
        out: Tensor = y.relu_()
        return out


class _Gathered(nn.Module):
    """Any convolution as one product over the taps of each output, [B, L, C] -> [B, ceil(L / stride), N]."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: int) -> None:
        super().__init__()
        self.taps, self.stride = weight.shape[2], stride
        self.register_buffer("weight", weight.permute(2, 1, 0).flatten(0, 1).contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.taps == 1:
            taps = x[:, :: self.stride]
        else:
            side = self.taps // 2
            padded = F.pad(x, (0, 0, side, side))
            taps = padded.unfold(1, self.taps, self.stride).transpose(2, 3).flatten(2)
        records, steps, _ = taps.shape
        return torch.addmm(self.bias, taps.flatten(0, 1), self.weight).view(records, steps, -1)


class _Winograd(nn.Module):
    """A convolution of width 3 and stride 1, four outputs at a time, [B, L, C] -> [B, L, N]."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        transformed = torch.einsum("kt,nct->kcn", torch.tensor(_G, dtype=torch.float64), weight.double())
        self.register_buffer("weight", transformed.to(weight.dtype).contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        records, length, _ = x.shape
        tiles = -(-length // _TILE)
        products = torch.bmm(_tiles(x, tiles), self.weight)
        return _outputs(products, self.bias).view(records, tiles * _TILE, -1)[:, :length]


def _tiles(x: Tensor, tiles: int) -> Tensor:
    """B^T d: the six combinations of the six inputs of each tile, [6, B * tiles, C]."""
    records, length, channels = x.shape
    padded = x.new_zeros(records, tiles * _TILE + 2, channels)
    padded[:, 1 : length + 1] = x
    d = [padded[:, first : first + tiles * _TILE - 3 : _TILE] for first in range(6)]
    v = x.new_empty(6, records, tiles, channels)
    even, odd = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
    torch.add(even, odd, out=v[1])
    torch.sub(even, odd, out=v[2])
    torch.sub(d[4], d[2], out=even)
    torch.sub(d[3], d[1], out=odd)
    torch.add(even, odd, alpha=2, out=v[3])
    torch.sub(even, odd, alpha=2, out=v[4])
    torch.sub(d[4], d[2], alpha=5, out=v[0]).add_(d[0], alpha=4)
    torch.sub(d[5], d[3], alpha=5, out=v[5]).add_(d[1], alpha=4)
    return v.flatten(1, 2)


def _outputs(m: Tensor, bias: Tensor) -> Tensor:
    """A^T m and the bias: four outputs a tile, [B * tiles, 4, N]."""
    y = m.new_empty(m.shape[1], _TILE, m.shape[2])
    near, far = m[1] + m[2], m[3] + m[4]
    near += bias
    torch.add(near, far, out=y[:, 0]).add_(m[0])
    torch.add(near, far, alpha=4, out=y[:, 2])
    torch.sub(m[1], m[2], out=near).add_(bias)
    torch.sub(m[3], m[4], out=far)
    torch.add(near, far, alpha=2, out=y[:, 1])
    torch.add(near, far, alpha=8, out=y[:, 3]).add_(m[5])
    return y


def _convolution(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """A convolution without bias and the batch normalisation after it."""
    if not (isinstance(conv, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d)):
        raise TypeError(f"cannot fold {type(norm).__name__} into {type(conv).__name__}")
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("cannot fold a normalisation that keeps no statistics")
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    weight = (conv.weight.detach().double() * scale[:, None, None]).to(conv.weight.dtype)
    bias = (norm.bias.detach().double() - mean.double() * scale).to(conv.weight.dtype)
    if conv.kernel_size == (3,) and conv.stride == (1,):
        return _Winograd(weight, bias)
    return _Gathered(weight, bias, conv.stride[0])

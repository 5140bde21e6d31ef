from __future__ import annotations

import pytest
import torch
from torch import nn

from medpipe.core.ecg.attention_pool import AttentionPool
from medpipe.core.ecg.folded_pool import FoldedPool
from medpipe.core.ecg.folded_resnet import FoldedResNet
from medpipe.core.ecg.merl_resnet import ResNet1d


def trained_like(depth: str) -> ResNet1d:
    torch.manual_seed(1)
    network = ResNet1d(depth).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.weight, 1, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("depth", ["resnet18", "resnet34", "resnet50"])
@pytest.mark.parametrize("samples", [5000, 4993, 160])
@torch.inference_mode()
def test_folding_changes_nothing_but_rounding(depth: str, samples: int) -> None:
    network = trained_like(depth)
    x = torch.rand(2, 12, samples)
    expected = network(x)
    folded = FoldedResNet(network)(x)
    assert folded.shape == expected.shape
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(folded, expected, atol=1e-5 * scale, rtol=0)


@torch.inference_mode()
def test_in_double_precision_it_is_the_same_function() -> None:
    network = trained_like("resnet18").double()
    x = torch.rand(1, 12, 1000, dtype=torch.float64)
    torch.testing.assert_close(FoldedResNet(network)(x), network(x), atol=1e-12, rtol=1e-12)


@torch.inference_mode()
def test_the_folded_head_is_the_same_function() -> None:
    torch.manual_seed(2)
    downconv, pool = nn.Conv1d(512, 256, 1), AttentionPool()
    nn.init.normal_(pool.mhsa.in_proj_bias)
    nn.init.normal_(pool.positional_embedding)
    features = torch.rand(3, 512, 313)
    expected = pool(downconv(features))[0]
    torch.testing.assert_close(FoldedPool(downconv, pool)(features), expected, atol=1e-5, rtol=0)
    downconv, pool, features = downconv.double(), pool.double(), features.double()
    expected = pool(downconv(features))[0]
    torch.testing.assert_close(FoldedPool(downconv, pool)(features), expected, atol=1e-12, rtol=0)


@torch.inference_mode()
def test_a_record_does_not_depend_on_its_neighbours() -> None:
    folded = FoldedResNet(trained_like("resnet18"))
    x = torch.rand(3, 12, 5000)
    torch.testing.assert_close(folded(x)[2], folded(x[2:])[0], atol=1e-6, rtol=0)
    others = torch.cat((torch.rand(2, 12, 5000), x[2:]))
    assert torch.equal(folded(x)[2], folded(others)[2])

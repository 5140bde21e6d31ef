"""Golden values computed on the released code's modules with weights that need no random generator."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from medpipe.core.ecg.attention_pool import AttentionPool
from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.merl_resnet import ResNet1d
from medpipe.core.ecg.merl_vit import Vit1d, projector

GOLDEN = {
    "resnet18": (
        (2, 512, 313),
        (0.0957905916, 0.1118161838, 30702.03410448),
        (0.01627396, 0.01932566, 0.02437638, 0.02424824),
        (0.12659102, 0.12862497),
    ),
    "resnet50": (
        (2, 2048, 313),
        (0.2602760458, 0.3313851112, 333686.38397323),
        (0.72580968, 0.74507635, 0.74462214, 0.74506985),
        (0.05841475, 0.05302667),
    ),
    "vit-tiny": (
        (2, 192),
        (-0.0012557543, 1.0031512549, 329.02925184),
        (0.72428623, -0.15829843, -0.6244742, -0.65665567),
        (0.24567648, 1.40916166),
    ),
    "vit-small": (
        (2, 384),
        (-0.0005097306, 1.0049678061, 658.10153024),
        (1.33951932, -1.65518406, 1.51900371, -1.22546284),
        (0.18613514, -0.80024625),
    ),
    "pooled": (
        (2, 256),
        (0.0039072355, 0.2669844280, 122.59513703),
        (0.41044666, 0.37979234, 0.26997306, 0.10523398),
        (0.34448439, 0.23338547),
    ),
    "attention": (
        (2, 1, 313),
        (0.0031867899, 0.0024272864, 1.99493047),
        (0.00395197, 0.00608258, 0.00751293, 0.00710375),
        (0.00322097, 0.00181423),
    ),
}
PARAMETERS = {
    "resnet18": 3_853_962,
    "resnet34": 7_228_298,
    "resnet50": 15_979_658,
    "resnet101": 28_287_114,
    "vit-tiny": 5_473_152,
    "vit-small": 21_563_136,
    "vit-middle": 38_188_032,
    "vit-base": 85_593_600,
}


def network(name: str) -> nn.Module:
    return ResNet1d(name) if name.startswith("resnet") else Vit1d(name)


def golden_input() -> Tensor:
    t = torch.arange(5000, dtype=torch.float64)
    b = torch.arange(2, dtype=torch.float64)[:, None, None]
    lead = torch.arange(12, dtype=torch.float64)[:, None]
    slow = torch.sin(2 * math.pi * t / 500 * (1 + 0.1 * lead) + 0.3 * b)
    return 0.5 + 0.25 * slow + 0.1 * torch.cos(2 * math.pi * t / 37 + lead)


def fill(module: nn.Module) -> nn.Module:
    state = module.state_dict()
    for k, (name, value) in enumerate(state.items()):
        if not value.is_floating_point():
            continue
        i = torch.arange(value.numel(), dtype=torch.float64)
        v = torch.sin(0.37 * i + 0.11 * (k + 1)).reshape(value.shape)
        if name.endswith("running_var"):
            v = 1 + 0.5 * v.abs()
        elif name.endswith("running_mean"):
            v = 0.01 * v
        elif value.ndim == 1 and name.endswith("weight"):
            v = 1 + 0.1 * v
        else:
            v = 0.05 * v
        state[name] = v.float()
    module.load_state_dict(state)
    return module.eval()


def check(name: str, value: Tensor, tolerance: float) -> None:
    """The table prints ten decimals of mean and deviation, eight of the rest."""
    shape, (mean, deviation, total), first, last = GOLDEN[name]
    assert value.shape == shape
    flat = value.double().flatten()
    assert flat.mean().item() == pytest.approx(mean, abs=tolerance)
    assert flat.std().item() == pytest.approx(deviation, abs=tolerance)
    assert flat.abs().sum().item() == pytest.approx(total, abs=max(1e-8, tolerance * flat.numel()))
    assert flat[:4].tolist() == pytest.approx(first, abs=max(6e-9, tolerance))
    assert flat[-2:].tolist() == pytest.approx(last, abs=max(6e-9, tolerance))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit-tiny", "vit-small"])
@torch.inference_mode()
def test_encoders_equal_the_published_ones(name: str) -> None:
    x = golden_input()
    module = fill(network(name))
    check(name, module(x.float()), 1e-5)
    check(name, module.double()(x), 1e-9)


@torch.inference_mode()
def test_the_resnets_head_equals_the_published_one() -> None:
    features = fill(ResNet1d("resnet18")).double()(golden_input())
    narrow = fill(nn.Conv1d(512, 256, 1)).double()(features)
    pooled, attention = fill(AttentionPool()).double()(narrow)
    check("pooled", pooled, 1e-9)
    check("attention", attention, 1e-9)


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_parameter_counts(name: str) -> None:
    with torch.device("meta"):
        module = network(name)
    assert sum(p.numel() for p in module.parameters()) == PARAMETERS[name]


def test_parameter_counts_of_the_heads() -> None:
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(AttentionPool()) == 409_600
    assert count(projector(192)) == 116_224
    resnet, vit = Merl("merl-resnet18", contrastive=True), Merl("merl-vit-tiny", contrastive=True)
    assert count(resnet.downconv) == 131_328
    assert count(vit.linear1) + count(vit.linear2) == 98_304


def test_keys_stand_in_the_published_order() -> None:
    resnet = list(ResNet1d("resnet18").state_dict())
    assert len(resnet) == 122
    assert resnet[:2] == ["conv1.weight", "bn1.weight"]
    assert resnet[6:8] == ["layer1.0.conv1.weight", "layer1.0.bn1.weight"]
    assert "layer2.0.shortcut.0.weight" in resnet
    assert "layer2.0.shortcut.1.running_var" in resnet
    assert resnet[-2:] == ["linear.weight", "linear.bias"]
    vit = list(Vit1d("vit-tiny").state_dict())
    assert len(vit) == 148
    assert vit[:6] == [
        "pos_embedding",
        "to_patch_embedding.weight",
        "block0.attn.norm.weight",
        "block0.attn.norm.bias",
        "block0.attn.fn.to_qkv.weight",
        "block0.attn.fn.to_qkv.bias",
    ]
    assert vit[6] == "block0.attn.fn.to_out.0.weight"
    assert vit[8:11] == ["block0.ff.norm.weight", "block0.ff.norm.bias", "block0.ff.fn.net.0.weight"]
    assert vit[12] == "block0.ff.fn.net.3.weight"
    assert vit[-2:] == ["norm.weight", "norm.bias"]

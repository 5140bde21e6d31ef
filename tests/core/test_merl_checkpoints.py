from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.torch_weights import read_weights
from medpipe.core.errors import ModelError


def merl(arch: str = "merl-resnet18", *, contrastive: bool) -> Merl:
    torch.manual_seed(3)
    network = Merl(arch, contrastive=contrastive)
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    return network.eval()


def encoder_only(network: Merl) -> dict[str, Tensor]:
    return {key.removeprefix("ecg_encoder."): value for key, value in network.state_dict().items()}


def window() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(5).random((1, 12, 5000), np.float32)
    return x, np.ones((1, 12), bool)


@pytest.mark.parametrize("arch", ["merl-resnet18", "merl-resnet50", "merl-vit-tiny"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_encoder_only_layouts_load_with_and_without_the_prefix(tmp_path: Path, arch: str, prefix: str) -> None:
    network = merl(arch, contrastive=False)
    file = tmp_path / "best_encoder.pth"
    torch.save({prefix + key: value for key, value in encoder_only(network).items()}, file)
    encoder = open_encoder(str(file), arch=arch)
    x, present = window()
    with torch.inference_mode():
        features = network.ecg_encoder(torch.from_numpy(x))
        expected = features.mean(dim=2) if features.ndim == 3 else features
    assert (encoder.arch, encoder.preset, encoder.trained) == (arch, "merl", True)
    np.testing.assert_allclose(encoder.encode(x, present), expected.numpy(), atol=1e-5)
    assert open_encoder(str(file)).arch == arch


@pytest.mark.parametrize("arch", ["merl-resnet18", "merl-vit-tiny"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_full_layouts_give_the_contrastive_embedding(tmp_path: Path, arch: str, prefix: str) -> None:
    network = merl(arch, contrastive=True)
    state = {**network.state_dict(), "proj_t.0.weight": torch.zeros(256, 768), "lm_model.x": torch.zeros(1)}
    file = tmp_path / "best_ckpt.pth"
    torch.save({prefix + key: value for key, value in state.items()}, file)
    encoder = open_encoder(str(file))
    x, present = window()
    with torch.inference_mode():
        expected = network.embed(torch.from_numpy(x), torch.from_numpy(present))
    assert (encoder.arch, encoder.dim) == (arch, 256)
    assert encoder.space.startswith(f"{arch}/contrastive/")
    np.testing.assert_allclose(encoder.encode(x, present), expected.numpy(), atol=1e-5)


def test_wrapped_state_dictionaries_and_safetensors_load_too(tmp_path: Path) -> None:
    state = encoder_only(merl("merl-vit-tiny", contrastive=False))
    torch.save({"epoch": 3, "model_state_dict": state}, tmp_path / "a.pth")
    save_file(state, tmp_path / "b.safetensors")
    for name in ("a.pth", "b.safetensors"):
        assert open_encoder(str(tmp_path / name)).arch == "merl-vit-tiny"


@pytest.mark.parametrize("depth", ["resnet18", "resnet34", "resnet50", "resnet101", "vit-small", "vit-base"])
def test_architectures_are_recognised_by_their_weights(depth: str) -> None:
    with torch.device("meta"):
        network = Merl(f"merl-{depth}", contrastive=False)
    assert Merl.recognise(network.state_dict()) == f"merl-{depth}"
    assert Merl.recognise(encoder_only(network)) == f"merl-{depth}"


def test_another_architecture_than_the_weights_names_both(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    torch.save(encoder_only(merl("merl-resnet18", contrastive=False)), file)
    with pytest.raises(ModelError, match=r"resnet18.*merl-resnet34"):
        open_encoder(str(file), arch="merl-resnet34")
    with pytest.raises(ModelError, match=r"kmerl-vit-tiny"):
        open_encoder(str(file), arch="kmerl-vit-tiny")


def test_missing_and_unexpected_keys_are_named(tmp_path: Path) -> None:
    state = encoder_only(merl("merl-resnet18", contrastive=False))
    del state["layer3.0.bn1.weight"]
    state["surplus"] = torch.zeros(1)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ModelError, match=r"layer3\.0\.bn1\.weight.*surplus"):
        open_encoder(str(tmp_path / "x.pth"))


def test_the_unused_linear_layer_may_have_any_shape_or_be_absent(tmp_path: Path) -> None:
    state = encoder_only(merl("merl-resnet18", contrastive=False))
    state["linear.weight"], state["linear.bias"] = torch.zeros(71, 512), torch.zeros(71)
    torch.save(state, tmp_path / "x.pth")
    assert open_encoder(str(tmp_path / "x.pth")).arch == "merl-resnet18"
    del state["linear.weight"], state["linear.bias"]
    torch.save(state, tmp_path / "x.pth")
    assert open_encoder(str(tmp_path / "x.pth")).arch == "merl-resnet18"


@pytest.mark.parametrize("content", [b"", b"garbage" * 99, b"PK\x03\x04" + bytes(200), b"version https://git-lfs\n"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"x{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_weights(file)
    assert "\n" not in str(caught.value)


def test_a_pickle_with_code_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    torch.save({"model": Path("somewhere")}, file)
    with pytest.raises(ModelError, match="not opened"):
        read_weights(file)

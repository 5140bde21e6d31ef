from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medpipe.core import checkpoints
from medpipe.core.ecg.encoder import describe
from medpipe.core.ecg.encoders import open_encoder, open_named
from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.registry import ARCHITECTURES
from medpipe.core.errors import ModelError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDPIPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "vit.pth"
    torch.manual_seed(0)
    torch.save(Merl("merl-vit-tiny", contrastive=False).ecg_encoder.state_dict(), file)
    return file


def test_opening_the_module_does_not_import_torch() -> None:
    code = "import sys, medpipe.core.ecg.encoders, medpipe.core.checkpoints; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_smoke_takes_any_leads_and_any_text_and_says_that_it_is_untrained() -> None:
    encoder = open_encoder("smoke")
    assert (encoder.trained, encoder.needs_all_leads, encoder.name) == (False, False, "smoke")
    signal = np.random.default_rng(0).normal(0, 1, (2, 1000)).astype(np.float32)
    x, present = encoder.prepare(signal, 100, ["V1", "II"])
    made = encoder.encode(x[None], present[None])[0]
    scores = encoder.scorer(["Vorhofflimmern", "", "房颤"]).score(made, None)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    assert describe(encoder)["trained"] is False


def test_drawn_weights_come_from_their_seed_alone() -> None:
    torch.manual_seed(11)
    first = open_encoder("", arch="merl-vit-tiny", init="random", seed=5)
    after = torch.rand(1)
    torch.manual_seed(99)
    second = open_encoder("", arch="merl-vit-tiny", init="random", seed=5)
    other = open_encoder("", arch="merl-vit-tiny", init="random", seed=6)
    x = np.random.default_rng(0).random((1, 12, 5000), np.float32)
    present = np.ones((1, 12), bool)
    np.testing.assert_array_equal(first.encode(x, present), second.encode(x, present))
    assert first.space == second.space != other.space
    torch.manual_seed(11)
    assert torch.rand(1) == after


@pytest.mark.parametrize("name", ["smoke", "smoke:7", "random:merl-vit-tiny:3"])
def test_a_drawn_encoder_opens_again_by_its_record(name: str) -> None:
    kind, _, rest = name.partition(":")
    if kind == "smoke":
        made = open_encoder("smoke", seed=int(rest or 0))
    else:
        made = open_encoder("", arch="merl-vit-tiny", init="random", seed=3)
    assert made.name == name
    assert describe(open_named(describe(made))) == describe(made)


def test_the_shipped_model_opens_again_by_its_record_and_refuses_another_release() -> None:
    made = describe(open_encoder("default"))
    assert describe(open_named(made)) == made
    with pytest.raises(ModelError, match=f"sha256 {'1' * 64}.*has {made['sha256']}"):
        open_named({**made, "sha256": "1" * 64})
    with pytest.raises(ModelError, match="merl does not go with default"):
        open_encoder("default", preset="merl")


def test_files_folders_registered_names_and_digests_lead_to_the_same(weights: Path, tmp_path: Path) -> None:
    by_file = open_encoder(str(weights), arch="merl-vit-tiny", preset="merl")
    by_folder = open_encoder(str(weights.parent))
    checkpoints.add("mine", weights, "merl-vit-tiny")
    by_name = open_encoder("mine")
    assert by_file.sha256 == by_folder.sha256 == by_name.sha256 == checkpoints.sha256_of(weights)
    assert by_file.space == by_folder.space == by_name.space
    assert by_name.name == "mine"
    elsewhere = {**describe(by_file), "name": "on/another/machine.pth"}
    assert open_named(elsewhere).space == by_file.space


def test_safetensors_come_first_in_a_folder(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    shutil.copy(weights, folder / "a.pth")
    save_file(torch.load(weights, weights_only=True), folder / "b.safetensors")
    assert open_encoder(str(folder)).sha256 == checkpoints.sha256_of(folder / "b.safetensors")
    shutil.copy(folder / "b.safetensors", folder / "c.safetensors")
    with pytest.raises(ModelError, match="2 checkpoints"):
        open_encoder(str(folder))


def test_another_checkpoint_under_the_name_is_refused_naming_both(weights: Path) -> None:
    record = describe(open_encoder(str(weights)))
    with pytest.raises(ModelError, match=r"sha256 0{64}.*has " + str(record["sha256"])):
        open_named({**record, "sha256": "0" * 64})
    with pytest.raises(ModelError, match=r"space elsewhere.*merl-vit-tiny/features"):
        open_named({**record, "space": "elsewhere"})
    with pytest.raises(ModelError, match=r"kmerl does not go with merl-vit-tiny, which takes merl"):
        open_named({**record, "preset": "kmerl"})
    with pytest.raises(ModelError, match="does not say"):
        open_named({"name": "x"})


def test_choices_that_do_not_fit_name_both_sides(weights: Path) -> None:
    with pytest.raises(ModelError, match=r"kmerl does not go with merl-vit-tiny"):
        open_encoder(str(weights), preset="kmerl")
    with pytest.raises(ModelError, match=r"vit-tiny.*merl-vit-small"):
        open_encoder(str(weights), arch="merl-vit-small")
    with pytest.raises(ModelError, match=r"smoke.*merl-vit-small"):
        open_encoder("smoke", arch="merl-vit-small")
    with pytest.raises(ModelError, match="no architecture nonsense"):
        open_encoder(str(weights), arch="nonsense")
    with pytest.raises(ModelError, match="give --arch"):
        open_encoder("", init="random")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("res18_best_ckpt.pth", "Google Drive"),
        ("nowhere/model.pth", "medpipe models"),
        ("no-such-name", "medpipe models"),
    ],
)
def test_what_is_not_here_is_unavailable_and_says_where_to_go(model: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        open_encoder(model)
    assert caught.value.unavailable
    assert "\n" not in str(caught.value)


def test_a_hub_name_without_a_network_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="hf download nobody/no-such-model") as caught:
        open_encoder("nobody/no-such-model")
    assert caught.value.unavailable


def test_a_hub_name_in_the_cache_opens_without_a_network(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0" * 40
    cached = tmp_path / "hub" / "models--somebody--ecg"
    (cached / "snapshots" / commit).mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    save_file(torch.load(weights, weights_only=True), cached / "snapshots" / commit / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert open_encoder("somebody/ecg").arch == "merl-vit-tiny"


def test_a_registered_file_that_is_gone_is_said(weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pth"
    shutil.copy(weights, copy)
    checkpoints.add("copy", copy)
    copy.unlink()
    with pytest.raises(ModelError, match="its file is gone"):
        open_encoder("copy")


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_every_architecture_encodes(arch: str) -> None:
    encoder = open_encoder("", arch=arch, init="random")
    x = np.random.default_rng(0).random((1, 12, 5000), np.float32)
    made = encoder.encode(x, np.ones((1, 12), bool))
    assert made.shape == (1, encoder.dim)
    assert np.isfinite(made).all()

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pretraining import (
    FACTS,
    PRESET,
    TEXT,
    Source,
    contrast,
    queries,
    records,
    several,
    tiny_kmerl,
    tiny_supreme,
    train,
)

from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.objective import Objective
from medpipe.core.ecg.objectives import build_objective
from medpipe.core.ecg.pretrain import pretrain
from medpipe.core.ecg.train_presets import train_preset
from medpipe.core.ecg.trained_folder import open_trained, read_description
from medpipe.core.ecg.validate import macro_auroc
from medpipe.core.errors import ModelError
from medpipe.core.training.loop import RunOptions
from medpipe.core.training.metrics_log import MetricsLog
from medpipe.core.training.schedule import first_beta, learning_rate

WORKER = Path(__file__).with_name("pretraining.py")
SAME = 1e-5


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a run that nothing disturbed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder, Source(records(24), 4))
    torch.set_num_threads(before)
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> tuple[Path, Objective]:
    """The folder of two steps of a whole ViT-tiny, its pieces long so that it is quick, and what was trained."""
    folder = tmp_path_factory.mktemp("real")
    objective = build_objective(PRESET, TEXT, queries())
    pretrain(objective, Source(records(8), 4), Source(records(8, 1), 4), PRESET, FACTS, folder, RunOptions(max_steps=2))
    return folder, objective


def curve(folder: Path) -> list[dict]:
    """The metrics without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "timing"} for line in lines]


def worker(folder: Path, how: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, WORKER, folder, how], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def assert_same_run(one: Path, other: Path) -> None:
    assert curve(one) == curve(other)
    for name in ("best.safetensors", "last.safetensors", "model.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_every_step_and_every_validation_has_its_line(whole):
    lines = curve(whole)
    assert [line["step"] for line in lines if line["split"] == "train"] == list(range(1, 13))
    assert [(line["step"], line["epoch"]) for line in lines if line["split"] == "val"] == [(6, 0), (12, 1)]
    assert set(lines[0]) == {"split", "step", "epoch", "loss", "contrastive", "entities", "lr"}
    assert {"macro_auroc", "entities_scored", "loss"} <= set(next(line for line in lines if line["split"] == "val"))


def test_a_killed_run_goes_on_to_the_same_bits(whole, tmp_path):
    folder = tmp_path / "run"
    process = worker(folder, "killed")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    # The fifth was written after the last state.
    assert [line["step"] for line in curve(folder)] == [1, 2, 3, 4, 5]
    torch.manual_seed(99)
    assert train(folder, Source(records(24), 4), resume=True).status == "finished"
    assert_same_run(folder, whole)


def test_a_terminated_run_stops_after_its_step_and_goes_on_to_the_same_bits(whole, tmp_path):
    folder = tmp_path / "run"
    process = worker(folder, "terminated")
    said, _ = process.communicate(timeout=120)
    assert (process.returncode, said.split()) == (0, ["stopped", "7"])
    assert train(folder, Source(records(24), 4), resume=True).step == 12
    assert_same_run(folder, whole)


def test_a_run_cut_off_before_its_first_state_begins_again(whole, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes((whole / "metrics.jsonl").read_bytes()[:100])
    with pytest.raises(ModelError, match="holds a training already"):
        train(tmp_path, Source(records(24), 4))
    train(tmp_path, Source(records(24), 4), resume=True)
    assert_same_run(tmp_path, whole)


def test_a_finished_run_is_not_trained_further(whole, tmp_path):
    before = (whole / "metrics.jsonl").read_bytes()
    outcome = train(whole, Source(records(24), 4), resume=True)
    assert (outcome.status, outcome.step, outcome.epoch) == ("finished", 12, 2)
    assert (whole / "metrics.jsonl").read_bytes() == before


def lengthened(folder, epochs, schedule="cosine-restarts"):
    preset = PRESET.override({"batch": 4, "epochs": epochs, "schedule": schedule})
    options = RunOptions(resume=True, checkpoint_every=4, log_every=1)
    return pretrain(tiny_kmerl(), Source(records(24), 4), Source(records(8, 1), 4), preset, FACTS, folder, options)


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for(whole, tmp_path):
    assert lengthened(tmp_path, 1).step == 6
    assert lengthened(tmp_path, 2).step == 12
    assert_same_run(tmp_path, whole)
    with pytest.raises(ModelError, match="has come to step 12, further than the 6"):
        lengthened(tmp_path, 1)


def test_a_run_whose_schedule_falls_over_all_of_it_is_not_made_longer(tmp_path):
    lengthened(tmp_path, 1, "cosine")
    with pytest.raises(ModelError, match="another run: steps 6, now 12"):
        lengthened(tmp_path, 2, "cosine")


@pytest.mark.slow
def test_two_processes_train_as_one_does_on_the_joined_batch(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    several(one, records(24))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [worker(two, "rank", RANK=str(rank), **place) for rank in range(2)]
    try:
        for process in processes:
            process.communicate(timeout=100)
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0]
    for name in ("kmerl", "supreme"):
        for here, there in zip(curve(one / name), curve(two / name), strict=True):
            assert here == pytest.approx(there, abs=SAME), name
    assert_same_run(two / "cut", two / "uncut")
    alone = contrast("slice")[1]
    for gradient, factor in (("slice", 0.5), ("joined", 1.0)):
        found = torch.load(two / f"{gradient}.pt", weights_only=True)
        assert torch.allclose(found["value"], contrast(gradient)[0], atol=SAME)
        assert torch.allclose(found["slope"], factor * alone, atol=SAME)


def test_the_trained_folder_opens_as_encoder_and_decoder(real):
    folder, objective = real
    trained = open_trained(folder, "last", text_model=FACTS.text_model, arch="kmerl-vit-tiny")
    assert trained.facts["entities"] == list(FACTS.entities)
    assert trained.facts["train_preset_digest"] == PRESET.digest
    assert trained.facts["result"]["best_step"] == 2
    batch = records(2)
    with torch.no_grad():
        memory = trained.network.tokens(batch.signals[1:], batch.present[1:])
        found = trained.decoder(memory, trained.queries)
        assert torch.allclose(found, objective.eval().entity_logits(batch)[1:], atol=1e-5)
    encoder = open_encoder(str(folder / "last.safetensors"))
    assert (encoder.arch, encoder.sha256) == ("kmerl-vit-tiny", trained.sha256)


def test_what_does_not_belong_together_is_refused(whole, tmp_path):
    with pytest.raises(ModelError, match=r"tests/text, other/text is asked for"):
        open_trained(whole, text_model="other/text")
    with pytest.raises(ModelError, match="kmerl-vit-tiny, merl-resnet18 is asked for"):
        open_trained(whole, arch="merl-resnet18")
    with pytest.raises(ModelError, match=r"model\.json"):
        open_trained(tmp_path)
    facts = json.loads((whole / "model.json").read_text())
    for name in ("best.safetensors", "model.json"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    with pytest.raises(ModelError, match="has not come so far"):
        open_trained(tmp_path, "last")
    (tmp_path / "model.json").write_text(json.dumps({**facts, "entities": ["other", "names", "here"]}))
    with pytest.raises(ModelError, match=f"of the run {facts['run']}, model.json describes"):
        open_trained(tmp_path)


def test_another_run_in_the_folder_is_refused(whole, tmp_path):
    with pytest.raises(ModelError, match="holds a training already"):
        train(whole, Source(records(24), 4))
    other = PRESET.override({"batch": 4, "lr": 0.5})
    with pytest.raises(ModelError, match=r"another run: .*lr 0\.001, now 0\.5"):
        pretrain(tiny_kmerl(), Source(records(24), 4), None, other, FACTS, whole, RunOptions(resume=True))
    torch.save({"weights": torch.zeros(1)}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="damaged or no state"):
        train(tmp_path, Source(records(24), 4), resume=True)


def test_selection_is_by_macro_auroc_with_a_decoder(whole):
    values = [line["macro_auroc"] for line in curve(whole) if line["split"] == "val"]
    result = read_description(whole)["result"]
    assert (result["selection"], result["best"]) == ("macro_auroc", max(values))
    areas = macro_auroc(
        torch.tensor([[0.0, 1], [1, 1], [math.nan, 1]]).numpy(), torch.tensor([[0.0, 1], [2, 3], [1, 1]]).numpy()
    )
    assert areas == {"macro_auroc": 1.0, "entities_scored": 1}


def test_training_learns_what_is_there_to_learn(tmp_path):
    torch.manual_seed(0)
    preset = PRESET.override({"batch": 8, "epochs": 40, "schedule": "constant", "lr": 0.003, "clip": 1.0})
    source = Source(records(24), 8)
    options = RunOptions(log_every=1000, validate_every=1000, checkpoint_every=1000)
    pretrain(tiny_supreme(0.0), source, Source(records(40, 1), 20), preset, FACTS, tmp_path, options)
    last = [line for line in curve(tmp_path) if line["split"] == "val"][-1]
    assert last["loss"] < math.log(2)


def test_a_run_without_validation_has_last_weights_alone(tmp_path):
    preset = PRESET.override({"batch": 4, "epochs": 1})
    outcome = pretrain(tiny_supreme(), Source(records(8), 4), None, preset, FACTS, tmp_path, RunOptions(max_steps=1))
    assert (outcome.status, outcome.step, outcome.best) == ("finished", 1, None)
    assert not (tmp_path / "best.safetensors").exists()
    assert read_description(tmp_path)["result"]["best"] is None
    with pytest.raises(ModelError, match="has not come so far"):
        open_trained(tmp_path)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    spoilt = records(8)
    spoilt.signals[:] = math.nan
    with pytest.raises(FloatingPointError, match="step 1 the loss is not finite"):
        train(tmp_path, Source(spoilt, 4))


def test_a_source_that_ends_early_is_refused(tmp_path):
    class Short(Source):
        def steps(self, world: int) -> int:
            return super().steps(world) + 1

        def batches(self, epoch, rank, world, skip=0):
            yield from list(super().batches(epoch, rank, world, skip))[:2]

    with pytest.raises(ValueError, match="ended after 2 batches of an epoch of 3"):
        train(tmp_path, Short(records(8), 4))


def test_the_schedule_is_torchs_cosine_with_restarts():
    preset = train_preset("merl").override({"period": 7})
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=preset.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 7, eta_min=preset.lowest_lr)
    for step in range(30):
        assert learning_rate(preset, step, 30) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        optimiser.step()
        schedule.step()
    warm = train_preset("supreme-own").override({"warmup": 4})
    rates = [learning_rate(warm, step, 20) for step in range(20)]
    assert rates[3] == rates[4] == warm.lr and rates[0] == warm.lr / 4
    assert rates[4:] == sorted(rates[4:], reverse=True)


@pytest.mark.parametrize("steps", [37, 200])
def test_one_cycle_is_torchs(steps):
    preset = train_preset("merl").override({"schedule": "one-cycle"})
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=preset.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, preset.lr, total_steps=steps, pct_start=0.2)
    for step in range(steps):
        group = optimiser.param_groups[0]
        assert learning_rate(preset, step, steps) == pytest.approx(group["lr"], rel=1e-6)
        assert first_beta(preset, step, steps) == pytest.approx(group["betas"][0], rel=1e-9)
        optimiser.step()
        if step < steps - 1:
            schedule.step()


def test_one_cycle_of_few_steps_has_rates():
    preset = train_preset("merl").override({"schedule": "one-cycle"})
    for steps in range(1, 11):
        assert all(0 < learning_rate(preset, step, steps) <= preset.lr for step in range(steps)), steps


@pytest.mark.parametrize(
    "change",
    [
        "epochs=0", "batch=0", "batch=1", "period=0", "beta1=1", "beta2=1", "decoder_layers=0", "decoder_heads=0",
        "decoder_dropout=2", "patch=0", "temperature=0", "many_most=13", "few_most=12",
    ],
)  # fmt: skip
def test_settings_that_no_training_can_have_are_refused(change):
    name, _, value = change.partition("=")
    with pytest.raises(ValueError, match=name):
        train_preset("kmerl").override({name: value})


def test_metrics_that_lack_lines_of_the_state_are_refused(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(ModelError, match="has 3 bytes"):
        MetricsLog(tmp_path / "metrics.jsonl", 10)

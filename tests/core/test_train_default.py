import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from medpipe.core.ecg.augment import lead_subsets, mixup, perturb, shorten
from medpipe.core.ecg.calibrate import calibrate
from medpipe.core.ecg.concept_objective import Classifier, Plan
from medpipe.core.ecg.ensemble import Ensemble
from medpipe.core.ecg.fit import _blended, fit, read
from medpipe.core.ecg.lead_net import LeadNet
from medpipe.core.errors import ModelError
from medpipe.core.training.loop import METRICS, RunOptions

RUNS = ("whole", "cut")
TINY = Plan(concepts=8, epochs=2, batch=4, widths=(8, 8, 16), dim=16)
EVERY = RunOptions(log_every=1)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recordings(count=9):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 12, 1000, generator=generator)
    targets = (torch.rand(count, 8, generator=generator) < 0.5).float()
    targets[0, 6] = torch.nan
    return x, targets


def test_a_resumed_training_ends_with_the_same_weights(tmp_path):
    x, targets = recordings()
    whole = fit(x, targets, TINY, tmp_path / "whole", options=EVERY)

    def stop(line):
        if line["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(x, targets, TINY, tmp_path / "cut", stop, options=EVERY)
    lines = []
    resumed = fit(x, targets, TINY, tmp_path / "cut", lines.append, options=replace(EVERY, resume=True))
    assert [line["step"] for line in lines] == [3, 4]
    written = read(TINY, tmp_path / "cut").state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]) and torch.equal(value, written[name]), name
    curves = [[json.loads(line) for line in (tmp_path / run / METRICS).read_text().splitlines()] for run in RUNS]
    assert len(curves[0]) == 4 and all(line.pop("timing") for curve in curves for line in curve)
    assert curves[0] == curves[1]


def test_what_is_kept_is_the_average_of_the_weights(tmp_path):
    x, targets = recordings()
    kept = fit(x, targets, replace(TINY, average=0.5), tmp_path / "half").state_dict()
    last = fit(x, targets, replace(TINY, average=0.0), tmp_path / "last").state_dict()
    assert not torch.equal(kept["head.weight"], last["head.weight"])
    state = torch.load(tmp_path / "last" / "state.pt", weights_only=True)["objective"]
    assert torch.equal(last["head.weight"], state["network.head.weight"])


@pytest.mark.parametrize("change", [{"seed": 1}, {"lead_masking": False}])
def test_a_state_of_another_plan_is_refused(tmp_path, change):
    x, targets = recordings()
    fit(x, targets, TINY, tmp_path)
    with pytest.raises(ModelError, match="another run"):
        fit(x, targets, replace(TINY, **change), tmp_path, options=RunOptions(resume=True))


def test_soft_targets_stand_where_nothing_is_known_and_share_the_rest():
    hard, soft = torch.tensor([[1.0, torch.nan]]), torch.tensor([[0.5, 0.25]])
    assert _blended(hard, soft, 0.5).tolist() == [[0.75, 0.25]]


def test_the_exported_network_equals_its_torch_twin(tmp_path):
    pytest.importorskip("onnx")
    from medpipe.core.ecg.export import parity, write_network

    networks = [Classifier(TINY).eval() for _ in range(2)]
    for network in networks:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2.0)
    encoder = Ensemble(networks).encoder()
    write_network(encoder, tmp_path / "ecg.onnx")
    x, _ = recordings()
    present = torch.ones(len(x), 12)
    present[1:, 4:] = 0
    x[2, :, 400:] = 0
    assert parity(encoder, tmp_path, x, present) < 1e-5
    with torch.no_grad():
        expected = torch.cat([network.encoder(x, present)[0] for network in networks], dim=1)
        assert (encoder(x, present)[0] - expected).abs().max() < 2e-2


def test_classifiers_of_an_ensemble_average_its_logits():
    networks = [Classifier(TINY).eval() for _ in range(3)]
    x, present = recordings()[0], torch.ones(9, 12)
    ensemble = Ensemble(networks)
    weights, biases = ensemble.classifiers()
    with torch.no_grad():
        embedding = torch.cat([network.encoder(x, present)[0] for network in networks], dim=1).numpy()
        expected = torch.stack([network(x, present) for network in networks]).mean(0).numpy()
    np.testing.assert_allclose(embedding @ weights.T + biases, expected, atol=1e-5)


def test_padding_does_not_reach_the_result():
    network = LeadNet((8, 8, 16), 16).eval()
    x, present = torch.zeros(1, 12, 1000), torch.ones(1, 12)
    x[..., :320] = torch.randn(1, 12, 320)
    with torch.no_grad():
        padded = network(x, present)[0]
        shorter = network(x[..., :640], present)[0]
    assert torch.allclose(padded, shorter, atol=1e-6)


def test_subsets_always_keep_a_lead():
    masks = lead_subsets(2000, torch.Generator().manual_seed(0))
    sizes = masks.sum(1)
    assert sizes.min() >= 1
    assert 0.4 < (sizes == 12).float().mean() < 0.6
    assert ((sizes == 1) & (masks[:, 0] == 1)).float().mean() > 0.1


def test_augmented_windows_stay_finite_and_standardised():
    generator = torch.Generator().manual_seed(0)
    x, targets = recordings(32)
    short = shorten(x, generator, share=1.0)
    assert (short.abs().amax(1)[:, -1] == 0).any()
    assert torch.isfinite(perturb(short, generator)).all()
    mixed, blended = mixup(x, targets, generator, share=0.0)
    assert torch.equal(mixed, x) and torch.equal(blended.isnan(), targets.isnan())
    _, blended = mixup(x, targets, generator, share=1.0)
    assert ((blended >= 0) & (blended <= 1) | blended.isnan()).all()


def test_calibration_finds_the_scale_and_the_offset():
    generator = np.random.default_rng(0)
    true = generator.normal(-1, 2, (4000, 3))
    targets = (generator.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.float32)
    targets[:50, 0] = np.nan
    found = calibrate((3 * true + 1.5).astype(np.float32), targets)
    np.testing.assert_allclose(found.scales, 1 / 3, rtol=0.12)
    np.testing.assert_allclose(found.offsets, -0.5, atol=0.15)

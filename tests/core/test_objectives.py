from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pretraining import ENTITIES, TEXT, queries, records, tiny_kmerl, tiny_network, tiny_shape, tiny_supreme

from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.entity_loss import entity_loss
from medpipe.core.ecg.lead_masking import LeadMasking
from medpipe.core.ecg.objective_kmerl import KmerlObjective, KmerlPlan
from medpipe.core.ecg.objective_supreme import SupremeObjective
from medpipe.core.ecg.objectives import build_objective
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.ecg.train_presets import PRESETS, train_preset
from medpipe.core.training.contrastive import InfoNce


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair() -> Batch:
    return records(2)


def assert_all_trained(objective) -> None:
    """Whatever waits for a gradient has one: DistributedDataParallel hangs or fails else."""
    without = [name for name, p in objective.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_merl_at_real_size_trains_every_part_and_is_saved_as_published(tmp_path):
    from safetensors.torch import save_file

    objective = build_objective(train_preset("merl"), TEXT).train()
    losses = objective(pair())
    assert set(losses) == {"loss", "cma", "uma"}
    assert torch.equal(losses["loss"], losses["cma"] + losses["uma"])
    losses["loss"].backward()
    assert_all_trained(objective)
    save_file(objective.weights(), tmp_path / "model.safetensors")
    encoder = open_encoder(str(tmp_path / "model.safetensors"), arch="merl-resnet18")
    assert (encoder.space.split("/")[1], encoder.dim) == ("contrastive", 256)
    x = pair()
    with torch.no_grad():
        expected = objective.eval().network.embed(x.signals, x.present)
    found = torch.from_numpy(encoder.encode(x.signals.numpy(), x.present.numpy()))
    assert torch.allclose(found, expected, atol=1e-4)


def test_merls_views_differ_by_dropout_and_its_vit_has_a_projector():
    objective = build_objective(train_preset("merl").override({"arch": "merl-vit-tiny"}), TEXT).train()
    torch.manual_seed(0)
    first, again = (float(objective(pair())["uma"].detach()) for _ in range(2))
    assert first != again
    assert "proj_e.0.weight" in objective.weights()
    objective(pair())["loss"].backward()
    assert_all_trained(objective)


def test_merl_with_lead_dropout_sets_leads_to_zero_in_training_alone():
    objective = build_objective(train_preset("merl-lead-dropout").override({"arch": "merl-vit-tiny"}), TEXT)
    seen = []
    objective.network.ecg_encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    batch = replace(records(8), present=torch.ones(8, 12, dtype=torch.bool))
    with torch.no_grad():
        objective.train()(batch)
        objective.eval()(batch)
    silent = (seen[0] == 0).all(2)
    assert silent.any(1).sum() >= 4
    assert not silent.all(1).any()
    assert torch.equal(seen[1], batch.signals)


def test_absent_rows_are_zero_for_an_encoder_that_mixes_leads():
    objective = build_objective(train_preset("merl").override({"arch": "merl-vit-tiny"}), TEXT).eval()
    batch = pair()
    spoilt = batch.signals.masked_fill(~batch.present[..., None], torch.nan)
    with torch.no_grad():
        assert torch.equal(objective(batch)["loss"], objective(replace(batch, signals=spoilt))["loss"])


def test_kmerl_at_real_size_trains_every_part():
    objective = build_objective(train_preset("kmerl"), 768, torch.randn(ENTITIES, 768)).train()
    batch = replace(pair(), texts=torch.randn(2, 768))
    losses = objective(batch)
    assert torch.equal(losses["loss"], losses["contrastive"] + losses["entities"])
    losses["loss"].backward()
    assert_all_trained(objective)
    assert objective.decoder.shape.width == 768


def test_kmerls_losses_have_weights():
    plan = KmerlPlan(tiny_shape(), InfoNce(), contrastive_weight=0.5, entity_weight=2.0)
    losses = KmerlObjective(plan, tiny_network(), queries()).train()(records(4))
    assert torch.allclose(losses["loss"], 0.5 * losses["contrastive"] + 2 * losses["entities"])


@pytest.mark.parametrize("arch", ["merl-resnet18", "merl-vit-tiny", "kmerl-vit-tiny"])
def test_supreme_trains_any_encoder_by_its_tokens(arch, tmp_path):
    from safetensors.torch import save_file

    small = {"arch": arch, "decoder_width": 32, "decoder_layers": 1, "decoder_hidden": 16, "patch": 100}
    objective = build_objective(train_preset("supreme").override(small), TEXT, queries()).train()
    losses = objective(pair())
    assert set(losses) == {"loss", "entities"}
    losses["loss"].backward()
    assert_all_trained(objective)
    save_file(objective.weights(), tmp_path / "model.safetensors")
    encoder = open_encoder(str(tmp_path / "model.safetensors"))
    assert encoder.arch == arch
    assert encoder.encode(pair().signals.numpy(), pair().present.numpy()).shape == (2, encoder.dim)


def test_a_kmerl_score_does_not_depend_on_neighbours_or_absent_rows():
    objective = tiny_kmerl().eval()
    batch = records(6)
    spoilt = batch.signals.masked_fill(~batch.present[..., None], torch.nan)
    with torch.no_grad():
        together = objective.entity_logits(replace(batch, signals=spoilt))
        for row in range(6):
            alone = Batch(batch.signals[row : row + 1], batch.present[row : row + 1])
            assert torch.allclose(objective.entity_logits(alone)[0], together[row], atol=1e-6)


def test_masks_are_drawn_in_training_and_never_in_validation():
    objective = tiny_supreme(0.0)
    masked = SupremeObjective(replace(objective.plan, masking=LeadMasking()), objective.network, queries())
    with torch.no_grad():
        masked.eval()
        assert torch.equal(masked(records(4))["loss"], masked(records(4))["loss"])
        masked.train()
        assert not torch.equal(masked(records(4))["loss"], masked(records(4))["loss"])


def test_unknown_targets_take_no_part():
    logits = torch.randn(3, 4)
    targets = (torch.rand(3, 4) < 0.5).float()
    targets[1, 2], targets[0] = torch.nan, torch.nan
    known = ~targets.isnan()
    expected = F.binary_cross_entropy_with_logits(logits[known], targets[known])
    assert torch.allclose(entity_loss(logits, targets), expected)
    nothing = entity_loss(logits.requires_grad_(), torch.full_like(logits, torch.nan))
    nothing.backward()
    assert float(nothing.detach()) == 0 and logits.grad.abs().sum() == 0


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="cannot mask"):
        build_objective(train_preset("supreme").override({"lead_masking": True}), TEXT, queries())
    with pytest.raises(ValueError, match="kmerl-vit-tiny"):
        build_objective(train_preset("kmerl").override({"arch": "merl-vit-tiny"}), TEXT, queries())
    with pytest.raises(ValueError, match="text vectors of its entities"):
        build_objective(train_preset("supreme"), TEXT)
    with pytest.raises(ValueError, match="divide"):
        build_objective(train_preset("kmerl").override({"patch": 48}), TEXT, queries())
    with pytest.raises(ValueError, match="text vectors in every batch"):
        tiny_kmerl()(replace(records(2), texts=None))


def test_presets_have_the_papers_settings_and_take_overrides_by_name():
    merl = PRESETS["merl"]
    assert (merl.lr, merl.weight_decay, merl.batch, merl.epochs, merl.period) == (1e-3, 1e-8, 128, 20, 5000)
    assert (merl.temperature, merl.directions, merl.beta2, merl.lowest_lr) == (0.07, "sum", 0.999, 1e-8)
    assert PRESETS["kmerl"].self_attention and not PRESETS["supreme-own"].self_attention
    changed = merl.override({"lr": "2e-4", "epochs": "50", "lead_masking": "on", "gradient": "joined"})
    assert (changed.lr, changed.epochs, changed.lead_masking, changed.gradient) == (2e-4, 50, True, "joined")
    assert len({preset.digest for preset in (*PRESETS.values(), changed)}) == len(PRESETS) + 1
    for wrong in ({"rate": 1}, {"epochs": "1.5"}, {"lr": "nan"}, {"precision": "int4"}, {"lead_masking": "maybe"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            merl.override(wrong)


def test_the_same_seed_draws_the_same_weights_and_leaves_the_callers_numbers():
    preset = train_preset("kmerl").override({"decoder_width": 16, "decoder_layers": 1})
    before = torch.get_rng_state()
    one, two = (build_objective(preset, TEXT, queries()).weights() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)

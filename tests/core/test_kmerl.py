from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.kmerl import LEADS, LeadVit
from medpipe.core.ecg.torch_encoder import TorchEncoder

SMALL = TorchEncoder(LeadVit(width=64, depth=2, heads=1, hidden=128), name="small", sha256="0" * 64, trained=False)
LIMB = ["I", "II", "III", "aVR", "aVL", "aVF"]
SUBSETS = [["I"], ["I", "II"], LIMB, ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"], list(LEADS)]


def recording(rows: int = 12) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 0.4, (rows, 5000)).astype(np.float32)


def embedding(signal: np.ndarray, leads: list[str], encoder: TorchEncoder = SMALL) -> np.ndarray:
    x, present = encoder.prepare(signal, 500, leads)
    return encoder.encode(x[None], present[None])[0]


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(list(LEADS)), count=st.integers(1, 12))
def test_permuting_leads_with_their_names_changes_nothing(order: list[str], count: int) -> None:
    leads = order[:count]
    signal = recording(count)
    back = np.argsort([LEADS.index(lead) for lead in leads])
    np.testing.assert_array_equal(embedding(signal, leads), embedding(signal[back], [leads[row] for row in back]))


@pytest.mark.parametrize("leads", SUBSETS, ids=len)
def test_a_subset_equals_the_full_array_with_a_mask(leads: list[str]) -> None:
    x, present = SMALL.prepare(recording()[: len(leads)], 500, leads)
    assert present.sum() == len(leads)
    full = np.where(present[:, None], x, np.float32(np.nan))
    np.testing.assert_array_equal(SMALL.encode(full[None], present[None]), SMALL.encode(x[None], present[None]))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_recording_does_not_depend_on_its_neighbours(batch_size: int) -> None:
    network = LeadVit(width=64, depth=2, heads=1, hidden=128)
    encoder = TorchEncoder(network, name="small", sha256="0" * 64, trained=False, batch_size=batch_size)
    prepared = [encoder.prepare(recording(len(leads)), 500, leads) for leads in (*SUBSETS, *SUBSETS[:3])]
    x, present = (np.stack(part) for part in zip(*prepared, strict=True))
    together = encoder.encode(x, present)
    for row in range(len(x)):
        alone = encoder.encode(x[row : row + 1], present[row : row + 1])[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-6 if batch_size > 1 else 0)


def test_missing_leads_are_not_zeros() -> None:
    signal = recording()
    silent = np.concatenate([signal[:1], np.zeros((11, 5000), np.float32)])
    assert not np.allclose(embedding(signal[:1], ["I"]), embedding(silent, ["I", *LEADS[1:]]))


def test_tokens_are_named_by_lead_and_piece() -> None:
    x, present = SMALL.prepare(recording(2), 500, ["V2", "II"])
    tokens = SMALL.tokens(x[None], present[None])[0]
    places = SMALL.token_places(present)
    assert tokens.shape == (200, 64)
    assert len(places) == 200
    assert (places[0], places[99], places[100]) == (("II", 0), ("II", 99), ("V2", 0))


def test_the_blocks_have_the_size_of_vit_tiny() -> None:
    network = LeadVit()
    blocks = sum(p.numel() for name, p in network.named_parameters() if name.startswith("block"))
    assert blocks == 5_338_368


def test_a_checkpoint_is_recognised_and_loads(tmp_path: object) -> None:
    network = LeadVit(patch=100)
    file = f"{tmp_path}/lead.pth"
    torch.save(network.state_dict(), file)
    encoder = open_encoder(file)
    assert (encoder.arch, encoder.preset, encoder.needs_all_leads) == ("kmerl-vit-tiny", "kmerl", False)
    x, present = encoder.prepare(recording(1), 500, ["I"])
    assert encoder.tokens(x[None], present[None])[0].shape == (50, 192)

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.core.ecg.kmerl import LEADS, LeadVit
from medpipe.core.ecg.lead_masking import LeadMasking, all_tokens, draw_leads, draw_tokens

PIECES = 100
LAW = LeadMasking()


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def small() -> LeadVit:
    torch.manual_seed(0)
    return LeadVit(width=64, depth=2, heads=1, hidden=64).eval()


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(1, 4095), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_kept_leads_are_present_ones_and_never_none(rows: list[int], seed: int) -> None:
    present = torch.tensor([[bool(row >> lead & 1) for lead in range(12)] for row in rows])
    kept = draw_leads(present, LAW, source(seed))
    assert kept.any(1).all()
    assert not (kept & ~present).any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99))
def test_each_kept_lead_keeps_equally_many_pieces(seed: int) -> None:
    generator = source(seed)
    kept = draw_leads(torch.ones(6, 12, dtype=torch.bool), LAW, generator)
    tokens = draw_tokens(kept, PIECES, LAW, generator)
    for row in range(6):
        places = tokens.index[row, ~tokens.padding[row]]
        counts = torch.bincount(places // PIECES, minlength=12)
        assert torch.equal(counts > 0, kept[row])
        assert set(counts[kept[row]].tolist()) == {75}
        assert len(places.unique()) == len(places)
        assert torch.equal(places, places.sort().values)


def test_half_of_the_records_lose_nine_to_eleven_leads():
    dropped = 12 - draw_leads(torch.ones(4000, 12, dtype=torch.bool), LAW, source()).sum(1)
    shares = torch.bincount(dropped, minlength=12) / 4000
    assert torch.allclose(shares[9:], torch.full((3,), 1 / 6), atol=0.03)
    assert torch.allclose(shares[:9], torch.full((9,), 0.5 / 9), atol=0.02)


def test_the_law_is_configurable():
    law = LeadMasking(many=(3, 3), many_share=1.0, pieces_share=0.5)
    kept = draw_leads(torch.ones(50, 12, dtype=torch.bool), law, source())
    assert set(kept.sum(1).tolist()) == {9}
    assert draw_tokens(kept, PIECES, law, source()).index.shape == (50, 9 * 50)
    with pytest.raises(ValueError, match="range"):
        LeadMasking(few=(5, 2))
    with pytest.raises(ValueError, match="shares"):
        LeadMasking(pieces_share=1.0)


def test_a_record_without_leads_is_refused():
    with pytest.raises(ValueError, match="no lead"):
        draw_leads(torch.zeros(1, 12, dtype=torch.bool), LAW, source())


def test_the_samples_of_masked_tokens_change_nothing():
    network, generator = small(), source()
    x = torch.randn(3, 12, 5000, generator=generator)
    kept = draw_leads(torch.ones(3, 12, dtype=torch.bool), LAW, generator)
    tokens = draw_tokens(kept, network.pieces, LAW, generator)
    other = torch.full_like(x, torch.nan).reshape(3, 1200, 50)
    pieces = x.reshape(3, 1200, 50)
    for row in range(3):
        places = tokens.index[row, ~tokens.padding[row]]
        other[row, places] = pieces[row, places]
    with torch.no_grad():
        seen = network.chosen_tokens(x, tokens.index, tokens.padding)
        spoilt = network.chosen_tokens(other.reshape(3, 12, 5000), tokens.index, tokens.padding)
    assert torch.equal(seen, spoilt)
    assert seen[tokens.padding].abs().sum() == 0


def test_all_tokens_of_a_batch_of_several_lead_sets_are_those_of_each_alone():
    network = small()
    x = torch.randn(3, 12, 5000, generator=source())
    present = torch.zeros(3, 12, dtype=torch.bool)
    present[0, :2], present[1], present[2, 7] = True, True, True
    tokens = all_tokens(present, network.pieces)
    with torch.no_grad():
        together = network.chosen_tokens(x, tokens.index, tokens.padding)
        pooled = network.pooled(together, tokens.padding)
        for row in range(3):
            alone = network.tokens(x[row : row + 1], present[row : row + 1])[0]
            assert torch.allclose(together[row, : len(alone)], alone, atol=1e-6)
        assert torch.allclose(pooled, network(x, present), atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(list(range(12))))
def test_permuting_leads_with_their_names_changes_nothing(order: list[int]) -> None:
    network = small()
    x = torch.randn(1, 12, 5000, generator=source())
    given_names = [LEADS[row] for row in order]
    back = [given_names.index(lead) for lead in LEADS]
    tokens = all_tokens(torch.ones(1, 12, dtype=torch.bool), network.pieces)
    with torch.no_grad():
        first = network.chosen_tokens(x, tokens.index, tokens.padding)
        second = network.chosen_tokens(x[:, order][:, back], tokens.index, tokens.padding)
    assert torch.equal(first, second)

"""Statistics from blocks of rows, against eager attention whole."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from medpipe.core.kv.attention_statistics import AttentionStatistics, RowSettings, measure

COUNT, HEADS, KV, WIDTH = 150, 8, 2, 16
SCALE = WIDTH**-0.5


def qkv(sharp: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    lot = torch.Generator().manual_seed(0)
    shapes = ((HEADS, COUNT, WIDTH), (KV, COUNT, WIDTH), (KV, COUNT, WIDTH))
    query, key, value = (torch.randn(shape, generator=lot) for shape in shapes)
    return query * sharp, key, value


def marks(kind: str) -> Tensor:
    visual = torch.zeros(COUNT, dtype=torch.bool)
    if kind == "mixed":
        visual[10:60] = visual[80:110] = True
    elif kind == "all":
        visual[:] = True
    return visual


def scores(query: Tensor, key: Tensor) -> Tensor:
    return query.double() @ key.double().repeat_interleave(HEADS // KV, 0).mT * SCALE


def eager(query: Tensor, key: Tensor) -> Tensor:
    ahead = torch.ones(COUNT, COUNT, dtype=torch.bool).triu(1)
    return scores(query, key).masked_fill(ahead, -torch.inf).softmax(-1)


def entropy(shares: Tensor) -> Tensor:
    return -torch.special.xlogy(shares, shares).sum(-1)


def grouped(values: Tensor) -> Tensor:
    return values.unflatten(0, (KV, -1)).flatten(1).mean(1).float()


def found(kind: str = "mixed", **settings: int | bool) -> AttentionStatistics:
    query, key, _ = qkv()
    return measure(query, key, SCALE, marks(kind), RowSettings(**settings))[0]


def test_entropies_and_masses_are_those_of_eager_attention() -> None:
    query, key, _ = qkv()
    shares, made = eager(query, key), found()
    rows = entropy(shares)
    seen = torch.arange(1, COUNT + 1).double()
    assert_close(made.entropy, grouped(rows), atol=1e-5, rtol=0)
    assert_close(made.normalised, grouped(rows[:, 1:] / seen[1:].log()), atol=1e-5, rtol=0)
    assert_close(made.effective_keys, grouped(rows.exp()), atol=1e-4, rtol=1e-5)
    assert_close(made.mass_sink, grouped(shares[..., :4].sum(-1)), atol=1e-5, rtol=0)
    near = torch.ones(COUNT, COUNT).tril().triu(-63).double()
    assert_close(made.mass_recent, grouped((shares * near).sum(-1)), atol=1e-5, rtol=0)


def test_column_sums_are_those_of_eager_attention() -> None:
    query, key, _ = qkv()
    shares, made = eager(query, key), found()
    assert_close(made.received, shares.sum(1).view(KV, -1, COUNT).sum(1).float(), atol=1e-5, rtol=1e-5)
    assert_close(made.window, shares[:, -32:].sum(1).view(KV, -1, COUNT).sum(1).float(), atol=1e-5, rtol=1e-5)


def test_cross_modal_entropies_of_the_paper_are_over_all_keys_of_the_other_kind() -> None:
    query, key, _ = qkv()
    visual, made, whole = marks("mixed"), found(), scores(query, key)
    text_visual = whole[:, ~visual][..., visual].softmax(-1)
    visual_text = whole[:, visual][..., ~visual].softmax(-1)
    assert_close(made.entropy_tv, grouped(entropy(text_visual)), atol=1e-5, rtol=0)
    assert_close(made.entropy_vt, grouped(entropy(visual_text)), atol=1e-5, rtol=0)
    assert_close(made.cross_modal, made.entropy_tv + made.entropy_vt)


def test_causal_cross_modal_entropies_are_of_what_a_row_sees() -> None:
    query, key, _ = qkv()
    visual, made, shares = marks("mixed"), found(causal=True), eager(query, key)
    for rows, keys, entropies, mass in (
        (~visual, visual, made.entropy_tv, made.mass_tv),
        (visual, ~visual, made.entropy_vt, made.mass_vt),
    ):
        there = shares[:, rows][..., keys]
        sees = there[0].sum(-1) > 0
        there = there[:, sees]
        assert_close(entropies, grouped(entropy(there / there.sum(-1, keepdim=True))), atol=1e-5, rtol=0)
        assert_close(mass, grouped(there.sum(-1)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["none", "all"])
def test_one_kind_of_token_alone_has_no_cross_modal_entropy(kind: str) -> None:
    made = found(kind)
    assert made.cross_modal.isnan().all() and made.mass_tv.isnan().all() and made.entropy.isfinite().all()


def test_the_output_that_comes_of_it_is_attention() -> None:
    query, key, value = qkv()
    _, output = measure(query, key, SCALE, None, RowSettings(), value)
    expected = eager(query, key).float() @ value.repeat_interleave(HEADS // KV, 0)
    assert output is not None
    assert_close(output, expected, atol=1e-5, rtol=0)


def test_sampled_rows_are_the_mean_of_those_rows_that_see_a_key() -> None:
    query, key, value = qkv()
    statistics, output = measure(query, key, SCALE, marks("mixed"), RowSettings(stride=7), value)
    rows = torch.arange(COUNT - 1, -1, -7)
    shares = eager(query, key)[:, rows]
    assert output is None and statistics.rows == len(rows) == 22
    assert_close(statistics.entropy, grouped(entropy(shares)), atol=1e-5, rtol=0)
    columns = torch.arange(COUNT)
    stand_for = (COUNT - columns) / (rows[:, None] >= columns).sum(0)
    sums = shares.sum(1).view(KV, -1, COUNT).sum(1).float() * stand_for
    assert_close(statistics.received, sums, atol=1e-4, rtol=1e-5)
    assert_close(statistics.window, found().window)


def test_scores_far_apart_leave_no_trace_of_rounding() -> None:
    query, key, _ = qkv(sharp=200.0)
    made = measure(query, key, SCALE, marks("mixed"), RowSettings(causal=True))[0]
    assert_close(made.entropy, grouped(entropy(eager(query, key))), atol=1e-5, rtol=0)
    assert made.entropy_tv.isfinite().all()


def test_coverage_counts_the_keys_that_receive_most() -> None:
    made = found()
    made.received = torch.tensor([[8.0, 1, 1, 0], [1, 1, 1, 1]])
    assert made.coverage(0.9).tolist() == [0.5, 1.0] and made.coverage(0.75).tolist() == [0.25, 0.75]


@pytest.mark.parametrize("count", [1, 2, 33])
def test_short_prompts_are_measured_too(count: int) -> None:
    query, key, value = (one[:, :count] for one in qkv())
    statistics, output = measure(query, key, SCALE, None, RowSettings(), value)
    assert statistics.rows == count and output is not None and output.isfinite().all()
    assert math.isclose(float(statistics.received.sum()), HEADS * count, rel_tol=1e-5)

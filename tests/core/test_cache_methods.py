"""Budgets that sum exactly, choices within them, merges against a plain loop, plans."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from medpipe.core.errors import InputError
from medpipe.core.kv.allocators import ALLOCATORS, LayerEntropy
from medpipe.core.kv.budgets import exact_budgets, least_budget, requested_total
from medpipe.core.kv.mergers import MERGERS, fold
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.plan import make_plan, read_plan
from medpipe.core.kv.scorers import Entries
from medpipe.core.kv.selection import kept_places, other_places

WEIGHTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=20)


@given(WEIGHTS, st.integers(1, 5000), st.floats(1e-3, 1))
@settings(max_examples=150, deadline=None)
def test_budgets_sum_to_the_request_within_their_bounds(weights: list[float], entries: int, ratio: float) -> None:
    total = requested_total(ratio, entries, len(weights))
    budgets = exact_budgets(weights, total, least_budget(entries), entries)
    assert sum(budgets) == total == max(len(weights), round(ratio * entries * len(weights)))
    assert max(budgets) <= entries and min(budgets) >= min(least_budget(entries), total // len(weights))


@given(WEIGHTS, st.integers(50, 5000))
@settings(max_examples=60, deadline=None)
def test_a_greater_weight_never_gets_less(weights: list[float], entries: int) -> None:
    budgets = exact_budgets(weights, len(weights) * entries // 5, 4, entries)
    ordered = [budget for _, budget in sorted(zip(weights, budgets, strict=True), key=lambda pair: pair[0])]
    assert all(later >= earlier - 1 for earlier, later in pairwise(ordered))


def test_what_does_not_fit_is_refused() -> None:
    for ratio in (0.0, -1.0, 1.01, math.nan):
        with pytest.raises(InputError, match="ratio"):
            requested_total(ratio, 100, 4)
    with pytest.raises(InputError, match="do not fit"):
        exact_budgets([1.0, 1.0], 30, 1, 10)
    with pytest.raises(InputError, match="not a number"):
        exact_budgets([1.0, math.nan], 10, 1, 10)


def test_allocators_follow_their_papers() -> None:
    layers = [LayerEntropy(2.0, 5.0), LayerEntropy(3.0, 4.0)]
    meda = ALLOCATORS["meda"].weights(layers, 0.2)
    assert meda == pytest.approx([math.e / (1 + math.e), 1 / (1 + math.e)]) and ALLOCATORS["meda"].reads(layers)
    released = ALLOCATORS["meda-released"].weights(layers, 0.9)
    assert released[1] == 1.0 and released[0] == pytest.approx(1.8 / (1 + math.e))
    pyramid = ALLOCATORS["pyramid"].weights(layers * 3, 0.2)
    assert sum(pyramid) == pytest.approx(6) and pyramid[0] / pyramid[-1] == pytest.approx(39)


def test_without_an_image_the_whole_rows_decide() -> None:
    layers = [LayerEntropy(2.0, None), LayerEntropy(3.0, None)]
    assert ALLOCATORS["meda"].reads(layers) == "full"
    assert ALLOCATORS["meda"].weights(layers, 0.2)[1] == pytest.approx(math.e / (1 + math.e))


def test_recent_entries_stay_and_the_best_of_the_others() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.8, 0.0, 0.0]])
    assert kept_places(scores, 4, 2).tolist() == [[1, 3, 4, 5]]
    assert other_places(kept_places(scores, 4, 2), 6).tolist() == [[0, 2]]


def test_raised_entries_come_first_and_keep_their_order_within_the_budget() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.8, 0.3, 0.0]])
    text = torch.tensor([[True, False, True, False, True, False]])
    assert kept_places(scores, 3, 1, text).tolist() == [[2, 4, 5]]


def test_half_precision_does_not_tie_what_is_ranked() -> None:
    scores = torch.linspace(0.1, 60, 200)[torch.randperm(200, generator=torch.Generator().manual_seed(0))][None]
    raised = torch.zeros(1, 200, dtype=torch.bool)
    kept = kept_places(scores.bfloat16().float(), 20, 0, raised)
    assert scores.gather(1, kept).min() >= scores.sort(descending=True).values[0, 24]


def loop(kind: str, vectors: Tensor, keys: Tensor, kept: list[int], dropped: list[int], tokens: list[int]) -> Tensor:
    """Section 2 of the papers, slot by slot."""
    made = []
    joined: dict[int, list[int]] = {one: [] for one in kept}
    for gone in dropped:
        alike = [float(torch.cosine_similarity(keys[gone], keys[one], dim=0)) for one in kept]
        joined[kept[alike.index(max(alike))]].append(gone)
    for one in kept:
        total, weight = vectors[one] * tokens[one], tokens[one]
        for gone in joined[one]:
            alike = torch.cosine_similarity(keys[gone], keys[one], dim=0)
            share = {"average": vectors[gone], "pivot": (vectors[gone] + vectors[one]) / 2,
                     "weighted": vectors[gone] * alike}[kind]  # fmt: skip
            total = total + share * tokens[gone]
            weight += tokens[gone]
        made.append(total / weight)
    return torch.stack(made)


@pytest.mark.parametrize("kind", ["average", "pivot", "weighted"])
@pytest.mark.parametrize("counted", [False, True])
def test_merges_are_those_of_a_plain_loop(kind: str, counted: bool) -> None:
    lot = torch.Generator().manual_seed(1)
    keys, values = (torch.randn(2, 40, 8, generator=lot) for _ in range(2))
    tokens = torch.randint(1, 5, (2, 40), generator=lot) if counted else torch.ones(2, 40, dtype=torch.long)
    kept = torch.stack([torch.randperm(40, generator=lot)[:9].sort().values for _ in range(2)])
    dropped = other_places(kept, 40)
    made = fold(keys, values, tokens.int(), kept, dropped, MERGERS[kind])
    for head in range(2):
        told = kept[head].tolist(), dropped[head].tolist(), tokens[head].tolist()
        assert_close(made.keys[head], loop(kind, keys[head], keys[head], *told), atol=1e-5, rtol=0)
        assert_close(made.values[head], loop(kind, values[head], keys[head], *told), atol=1e-5, rtol=0)
    assert (made.tokens.sum(1) == tokens.sum(1)).all()


def test_values_only_leaves_keys_as_they_were() -> None:
    lot = torch.Generator().manual_seed(1)
    keys, values = (torch.randn(1, 20, 4, generator=lot) for _ in range(2))
    kept = torch.arange(0, 20, 4)[None]
    once = torch.ones(1, 20, dtype=torch.int32)
    alone = fold(keys, values, once, kept, other_places(kept, 20), MERGERS["value-only"])
    both = fold(keys, values, once, kept, other_places(kept, 20), MERGERS["average"])
    assert torch.equal(alone.keys, keys[:, ::4]) and torch.equal(alone.values, both.values)


def test_a_lot_does_not_change_with_what_else_is_held() -> None:
    scorer = METHODS["random"].scoring
    places = torch.arange(50, dtype=torch.int32).expand(2, -1)
    none = torch.zeros(2, 50)
    assert torch.equal(scorer.scores(Entries(none, none, places, 3)), scorer.scores(Entries(none, none, places, 3)))
    assert not torch.equal(scorer.scores(Entries(none, none, places, 3)), scorer.scores(Entries(none, none, places, 4)))


def test_observed_attention_is_the_mean_of_the_rows_that_see_an_entry() -> None:
    attention = torch.randn(2, 9, 9).masked_fill(torch.ones(9, 9).triu(1).bool(), -torch.inf).softmax(-1)
    sums, places = attention.sum(1), torch.arange(9, dtype=torch.int32).expand(2, -1)
    means = torch.stack([attention[:, place:, place].mean(1) for place in range(9)], 1)
    assert_close(METHODS["observed"].scoring.scores(Entries(sums, sums, places, 0)), means)


def test_a_plan_comes_back_from_its_file_and_fits_other_prompts(tmp_path: Path) -> None:
    facts = {"name": "tiny", "config_sha256": "0" * 16}
    plan = make_plan(facts, 0.25, METHODS["meda"], [[0.1, 0.3, 0.35], [0.2, 0.2, 0.35]])
    (tmp_path / "plan.json").write_text(plan.text())
    read = read_plan(str(tmp_path / "plan.json"))
    assert read == plan and read.fractions == (0.15, 0.25, 0.35)
    for entries in (40, 1001):
        assert sum(read.compression().budgets([], 3, entries)) == round(0.25 * 3 * entries)
    with pytest.raises(InputError, match="a plan of 3 layers, the model has 5"):
        read.compression().budgets([], 5, 40)
    with pytest.raises(InputError, match="the model is another"):
        read.check("1" * 16, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"ratio": 2}, "at most 1"), ({"method": "best"}, "no method best"), ({"fractions": []}, "at most 1"),
     ({"format": 9}, "no plan of format"), ({"ratio": True, "fractions": "x"}, "at most 1"),
     ({"fractions": [True, 0.3]}, "at most 1"),
     ({"format": True}, "no plan of format"), ({"recent": "a"}, "from 0 to 1"), ({"recent": -1}, "from 0 to 1"),
     ({"floor": float("nan")}, "from 0 to 1"), ({"method": ["meda"]}, "are texts"), ({"model": 3}, "are texts")],
)  # fmt: skip
def test_a_file_that_is_no_plan_is_told_apart(tmp_path: Path, change: dict, said: str) -> None:
    plan = make_plan({"name": "tiny", "config_sha256": "0" * 16}, 0.25, METHODS["meda"], [[0.2, 0.3]])
    (tmp_path / "plan.json").write_text(json.dumps(json.loads(plan.text()) | change))
    with pytest.raises(InputError, match=said):
        read_plan(str(tmp_path / "plan.json"))
    with pytest.raises(InputError, match="no JSON"):
        read_plan(__file__)
    with pytest.raises(InputError, match="No such file"):
        read_plan(str(tmp_path / "none.json"))
    (tmp_path / "deep.json").write_text("[" * 100000)
    with pytest.raises(InputError, match="is no JSON"):
        read_plan(str(tmp_path / "deep.json"))
    with pytest.raises(InputError, match="a plan of 2 layers, the model has 3"):
        plan.check("0" * 16, 3)

"""The budgeted cache in models of every family: nothing lost at ratio 1, positions right however much is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from decoders import FAMILIES, Made, llama, qwen2_vl, tokens
from transformers import DynamicCache

from medpipe.core.errors import InputError, ModelError
from medpipe.core.kv.allocators import LayerEntropy
from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.interception import intercept
from medpipe.core.kv.methods import METHODS

MEDA = METHODS["meda"]


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Made:
    torch.manual_seed(0)
    return FAMILIES[request.param]()


def steps(model: Any, inputs: dict[str, Any], cache: Any) -> torch.Tensor:
    """Logits of a prompt, of three tokens singly, and of a second turn of five."""
    found = [model(**inputs, past_key_values=cache).logits[0]]
    found += [model(input_ids=one[None, None], past_key_values=cache).logits[0] for one in tokens(3, 7)[0]]
    found.append(model(input_ids=tokens(5, 8), past_key_values=cache).logits[0])
    return torch.cat(found)


def test_a_ratio_of_one_is_the_full_cache(family: Made) -> None:
    model, inputs, visual = family
    expected = steps(model, inputs, DynamicCache(config=model.config))
    cache = BudgetedCache(model, Compression(MEDA, 1.0), visual)
    torch.testing.assert_close(steps(model, inputs, cache), expected, atol=1e-5, rtol=0)
    assert all(layer.entries == layer.seen for layer in cache.budgeted)
    torch.testing.assert_close(steps(model, inputs, DynamicCache(config=model.config)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_what_is_asked_for_in_every_family(family: Made, name: str) -> None:
    model, inputs, visual = family
    cache = BudgetedCache(model, Compression(METHODS[name], 0.3), visual)
    model(**inputs, past_key_values=cache)
    count = inputs["input_ids"].shape[1]
    kept = [layer.entries for layer in cache.budgeted]
    assert sum(kept) == round(0.3 * count * len(kept)) and all(layer.seen == count for layer in cache.budgeted)
    assert model(input_ids=tokens(4, 3), past_key_values=cache).logits.isfinite().all()


def test_a_window_layer_is_left_alone_and_named() -> None:
    model, inputs, visual = FAMILIES["qwen2-sliding"]()
    cache = BudgetedCache(model, Compression(MEDA, 0.3), visual)
    model(**inputs, past_key_values=cache)
    assert cache.skipped == {1: "sliding_attention"} and [layer.index for layer in cache.budgeted] == [0, 2]
    assert cache.layers[1].keys.shape[2] == 7


@pytest.mark.parametrize("make", [llama, qwen2_vl])
def test_positions_go_on_in_generate_and_in_a_second_turn(make: Any) -> None:
    model, inputs, visual = make()
    count = inputs["input_ids"].shape[1]
    cache = BudgetedCache(model, Compression(METHODS["h2o"], 0.4), visual)
    said = model.generate(**inputs, past_key_values=cache, max_new_tokens=6, do_sample=False)
    assert said.shape[1] == count + 6 and cache.get_seq_length() == count + 5
    # What the cache holds must be keys of a full run, at the positions that it names.
    whole = DynamicCache(config=model.config)
    model.generate(**inputs, past_key_values=whole, max_new_tokens=1, do_sample=False)
    layer = cache.budgeted[0]
    for head in range(2):
        at = layer.positions[head].long()
        torch.testing.assert_close(layer.keys[0, head, : len(at)], whole.layers[0].keys[0, head, at], atol=1e-5, rtol=0)
    turn = torch.cat([said, tokens(4, 5)], 1)
    again = model.generate(input_ids=turn, past_key_values=cache, max_new_tokens=3, do_sample=False)
    assert again.shape[1] == turn.shape[1] + 3 and cache.get_seq_length() == turn.shape[1] + 2
    # New keys of the first layer depend on token and position alone.
    known = DynamicCache(config=model.config)
    model(**inputs, past_key_values=known)
    model(input_ids=again[:, count:-1], past_key_values=known)
    fresh = turn.shape[1] + 2 - count
    torch.testing.assert_close(layer.keys[0, :, -fresh:], known.layers[0].keys[0, :, -fresh:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["h2o", "meda-released", "pyramid", "random"])
def test_layers_shortened_one_by_one_are_those_shortened_at_the_end(name: str) -> None:
    model, inputs, visual = qwen2_vl()
    method = METHODS[name].merged_by("none")
    at_once = BudgetedCache(model, None, visual)
    model(**inputs, past_key_values=at_once)
    later = at_once.compressed(Compression(method, 0.25))
    on_the_way = BudgetedCache(model, Compression(method, 0.25), visual)
    model(**inputs, past_key_values=on_the_way)
    for one, other in zip(later.budgeted, on_the_way.budgeted, strict=True):
        assert torch.equal(one.positions, other.positions)
    assert at_once.budgeted[0].entries == inputs["input_ids"].shape[1]


@pytest.mark.parametrize("name", ["h2o", "meda"])
def test_without_merging_no_more_than_one_layer_is_whole(name: str) -> None:
    model, inputs, visual = qwen2_vl()
    cache = BudgetedCache(model, Compression(METHODS[name].merged_by("none"), 0.25), visual)
    held: list[int] = []
    for layer in model.model.language_model.layers:
        layer.self_attn.register_forward_hook(lambda *_: held.append(sum(one.entries for one in cache.budgeted)))
    model(**inputs, past_key_values=cache)
    # Until the last layer each may have one more than its due.
    assert len(held) == 3 and max(held) <= 45 + 3 and held[-1] == 45


def test_decoding_stays_within_the_budget_and_counts_every_merged_token() -> None:
    model, inputs, visual = qwen2_vl()
    cache = BudgetedCache(model, Compression(MEDA, 0.3), visual, every=4)
    model.generate(**inputs, past_key_values=cache, max_new_tokens=30, do_sample=False)
    for layer in cache.budgeted:
        assert layer.budget <= layer.entries < layer.budget + 4
        told = layer.tokens.sum(1) + layer.entries - layer.tokens.shape[1]
        assert (told == layer.seen).all()


def test_released_budgets_that_are_not_nested_sum_to_the_request() -> None:
    model, inputs, visual = qwen2_vl()
    cache = BudgetedCache(model, Compression(METHODS["meda-released"].merged_by("none"), 0.2), visual)
    measured = cache.entropies
    far = [LayerEntropy(full, None) for full in (8.3, 0.3, 0.3)]
    cache.entropies = lambda layers=None: far[: len(measured(layers))]
    model(**inputs, past_key_values=cache)
    assert sum(layer.entries for layer in cache.budgeted) == round(0.2 * 3 * inputs["input_ids"].shape[1])


@pytest.mark.parametrize("name", list(METHODS))
def test_with_gradients_and_a_turn_of_several_tokens_it_goes_on(name: str) -> None:
    model, inputs, visual = llama()
    with torch.enable_grad():
        cache = BudgetedCache(model, Compression(METHODS[name], 0.3), visual, every=8)
        model(**inputs, past_key_values=cache)
        said = model(input_ids=inputs["input_ids"][:, :12], past_key_values=cache).logits
    assert said.isfinite().all() and all(layer.entries - layer.budget < 8 for layer in cache.budgeted)


def test_a_deep_copy_shares_the_model_and_outlives_the_first() -> None:
    model, inputs, visual = llama()
    cache = BudgetedCache(model, Compression(MEDA, 0.3), visual)
    with torch.no_grad():
        model(**inputs, past_key_values=cache)
        more = inputs["input_ids"][:, :1]
        other = deepcopy(cache)
        expected = model(input_ids=more, past_key_values=cache).logits
        del cache
        assert other.model is model
        torch.testing.assert_close(model(input_ids=more, past_key_values=other).logits, expected)


def test_bytes_are_those_of_the_tensors() -> None:
    model, inputs, visual = llama()
    cache = BudgetedCache(model, Compression(METHODS["h2o"], 0.2), visual)
    model(**inputs, past_key_values=cache)
    entries, beside = cache.kv_bytes()
    assert entries == 36 * 2 * 2 * 8 * 4 and beside == 36 * 2 * 4 * 2


def test_a_fifth_of_a_long_prompt_and_what_is_said_after_it() -> None:
    model = llama()[0]
    cache = BudgetedCache(model, Compression(MEDA, 0.2), None, RowSettings(stride=8))
    whole = DynamicCache(config=model.config)
    for held in (cache, whole):
        model(input_ids=tokens(450), past_key_values=held)
        model(input_ids=tokens(50, 1), past_key_values=held)
    full = sum(one.nbytes for layer in whole.layers for one in (layer.keys, layer.values))
    assert cache.kv_bytes()[0] <= 0.281 * full


def test_the_memory_of_a_cache_goes_with_it() -> None:
    import weakref

    model, inputs, visual = llama()
    cache = BudgetedCache(model, Compression(MEDA, 0.2), visual)
    model(**inputs, past_key_values=cache)
    left = weakref.ref(cache.layers[0])
    del cache
    assert left() is None


def test_a_cache_that_is_reset_takes_another_prompt() -> None:
    model, inputs, visual = llama()
    cache = BudgetedCache(model, Compression(METHODS["h2o"], 0.2), visual)
    for _ in range(2):
        model(**inputs, past_key_values=cache)
        assert [layer.entries for layer in cache.budgeted] == [12, 12, 12]
        cache.reset()


def test_more_than_one_prompt_and_padding_are_refused() -> None:
    model, inputs, _ = llama()
    twice = inputs["input_ids"].expand(2, -1)
    with pytest.raises(InputError, match="one prompt, not 2"):
        model(input_ids=twice, past_key_values=BudgetedCache(model, Compression(MEDA, 0.3)))
    padded = torch.ones_like(inputs["input_ids"])
    padded[0, :3] = 0
    with pytest.raises(InputError, match="without padding"):
        model(**inputs, attention_mask=padded, past_key_values=BudgetedCache(model, Compression(MEDA, 0.3)))


def test_an_intercepted_model_still_takes_batches_and_padding() -> None:
    model, inputs, _ = llama()
    padded = torch.ones(2, 60, dtype=torch.long)
    padded[0, :3] = 0
    given = {"input_ids": inputs["input_ids"].expand(2, -1), "attention_mask": padded}
    expected = model(**given).logits
    intercept(model)
    torch.testing.assert_close(model(**given).logits[:, 3:], expected[:, 3:], atol=1e-5, rtol=0)


def test_attention_out_of_reach_is_refused_with_the_reason() -> None:
    from transformers import BloomConfig, BloomForCausalLM, T5Config, T5ForConditionalGeneration

    with pytest.raises(ModelError, match="BloomForCausalLM cannot be intercepted"):
        intercept(BloomForCausalLM(BloomConfig(vocab_size=20, hidden_size=8, n_layer=1, n_head=2)))
    with pytest.raises(ModelError, match="encoder with a decoder"):
        intercept(T5ForConditionalGeneration(T5Config(vocab_size=20, d_model=8, d_ff=8, num_layers=1, num_heads=2)))


def test_image_marks_of_another_length_are_refused() -> None:
    model, inputs, _ = llama()
    marks = torch.ones(9, dtype=torch.bool)
    with pytest.raises(InputError, match="9 tokens are told apart, the prompt has 60"):
        model(**inputs, past_key_values=BudgetedCache(model, Compression(MEDA, 0.3), marks))


def test_text_beyond_the_budget_stays_within_it() -> None:
    model, inputs, visual = qwen2_vl()
    cache = BudgetedCache(model, Compression(MEDA, 0.2), visual, RowSettings(stride=4))
    model(**inputs, past_key_values=cache)
    assert int((~visual).sum()) > max(layer.budget for layer in cache.budgeted)
    assert sum(layer.entries for layer in cache.budgeted) == 36
    assert all(float(layer.compressed.visual) == 0 for layer in cache.budgeted)

"""Nulls of text scores: windows paired anew as they should be, p that is uniform where there is nothing to find."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from medpipe.core.metrics.rank_accuracy import rank_accuracy
from medpipe.core.metrics.text.bag_of_words import cosines
from medpipe.core.metrics.text.identification import Identification
from medpipe.core.metrics.text.means import combined_means, mean
from medpipe.core.metrics.text.null_tests import combine_shifts, judge
from medpipe.core.metrics.text.pairings import Pairing, far_shifts, pair_anew, shuffles
from medpipe.core.metrics.text.score import score_text
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory, Story
from medpipe.core.metrics.text.story_nulls import judge_nulls
from medpipe.core.metrics.text.word_error import WordErrorRate
from medpipe.core.metrics.text.words import split_text

METRICS = [Identification(cosines), WordErrorRate()]


def story(name: str, windows: int, share: float, rng: np.random.Generator, **more) -> Story:
    """A story of 12 words a window, of which `share` are decoded."""
    words = rng.integers(0, 60, (windows, 12))
    kept = np.where(rng.random(words.shape) < share, words, rng.integers(0, 60, words.shape))
    found, true = ([split_text(" ".join(f"w{word}" for word in row)) for row in side] for side in (kept, words))
    return Story(name, true, [found], more.get("nulls", {}), 20.0 * np.arange(windows))


@given(st.integers(1, 12), st.floats(0, 100), st.floats(0.5, 30))
def test_far_shifts_move_every_window_far(windows: int, least: float, hop: float) -> None:
    times = hop * np.arange(windows)
    expected = [
        shift
        for shift in range(1, windows)
        if all(abs(times[(k + shift) % windows] - times[k]) > least for k in range(windows))
    ]
    assert far_shifts(times, least) == expected


def test_windows_of_20_s_are_shifted_by_two_and_more() -> None:
    assert far_shifts(20.0 * np.arange(6), 30) == [2, 3, 4] and far_shifts(1.0 * np.arange(20), 30) == []


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 9))
def test_shuffles_keep_neighbours_of_a_block_together(windows: int, block: int, seed: int) -> None:
    (orders,) = shuffles(windows, block, 5, (seed, 0))
    for order in orders:
        assert sorted(order) == list(range(windows))
        for start in range(0, windows, block):
            at = np.flatnonzero(np.isin(order, range(start, min(start + block, windows))))
            assert np.diff(at).tolist() == [1] * (len(at) - 1) and np.diff(order[at]).tolist() == [1] * (len(at) - 1)


def test_means_of_pairs_paired_anew_are_of_those_pairs() -> None:
    crossed = np.arange(16.0).reshape(4, 4)
    anew = pair_anew({"x": crossed}, Pairing.of(np.arange(4.0), 1.5, None), 50, (0, 0))
    # By two windows: pairs (0, 2), (1, 3), (2, 0), (3, 1). Blocks of two: that, or nothing moved.
    assert anew.shift["x"].tolist() == [7.5] and set(anew.shuffle["x"].tolist()) == {7.5}


def test_p_counts_nulls_as_good_or_better_in_the_good_direction() -> None:
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert judge("bleu1", 0.3, null)["p"] == pytest.approx(3 / 5) and judge("wer", 0.3, null)["p"] == pytest.approx(
        4 / 5
    )
    assert judge("bleu1", 0.9, null)["z"] > 0 > judge("wer", 0.9, null)["z"]
    assert judge("bleu1", 0.9, np.array([0.1]))["z"] is None and judge("bleu1", np.nan, null) is None


def test_few_combinations_of_shifts_are_all_taken_and_many_are_drawn() -> None:
    assert sorted(map(tuple, combine_shifts([2, 1, 3], 99, 0))) == [(a, 0, b) for a in range(2) for b in range(3)]
    drawn = combine_shifts([50, 60, 70], 500, 0)
    assert (
        drawn.shape == (500, 3) and drawn.max(axis=0).tolist() <= [49, 59, 69] and len(np.unique(drawn, axis=0)) > 490
    )


def test_an_undefined_story_has_no_part_in_a_mean() -> None:
    parts = [np.array([1.0, 2.0]), np.array([np.nan, np.nan]), np.array([4.0, 5.0])]
    assert combined_means(parts, [1, 7, 2]).tolist() == [3, 4] and np.isnan(mean(np.array([np.nan])))


@pytest.mark.parametrize("count", [1, 3])
def test_p_is_uniform_where_there_is_nothing_to_find(count: int) -> None:
    chances: dict[str, list[float]] = {"shift": [], "shuffle": []}
    sampling = Sampling(permutations=499)
    for seed in range(300):
        rng, scored = np.random.default_rng(seed), []
        for place in range(count):
            crossed = rank_accuracy(drifting(rng, 24) @ drifting(rng, 24).T)
            pairing = Pairing.of(20.0 * np.arange(24), 30, None)
            told = Story(str(place), [split_text("w")] * 24, [], {}, None)
            anew = pair_anew({"x": crossed}, pairing, 499, (seed, place))
            scored.append(ScoredStory(told, [{"x": np.diagonal(crossed)}], {}, pairing, anew))
        said = judge_nulls(scored, {"x": float(np.mean([one.observed("x") for one in scored]))}, sampling)
        for kind, several in chances.items():
            several.append(said[kind]["x"]["p"])
    for kind, several in chances.items():
        assert kstest(several, "uniform").pvalue > 0.001, kind
        assert 0.02 < np.mean(np.array(several) <= 0.0501) < 0.09, kind


def drifting(rng: np.random.Generator, windows: int) -> np.ndarray:
    """Vectors of windows that are like their neighbours', as text and what is made of it are."""
    steps = rng.normal(size=(windows, 16))
    for k in range(1, windows):
        steps[k] += 0.4 * steps[k - 1]
    return steps


def test_what_was_decoded_is_beyond_its_nulls_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    for share, found in ((0.5, True), (0.0, False)):
        *_, every = score_text([story(f"s{k}", 15, share, rng) for k in range(3)], METRICS, Sampling(permutations=999))
        made = every.record()
        for kind in ("shift", "shuffle"):
            assert (made["nulls"][kind]["identification"]["p"] <= 0.001) is found
            assert (made["nulls"][kind]["wer"]["z"] > 3) is found
        assert made["length_ratio"] == 1 and made["windows"] == 45 and made["drawn"] == "blocks"
        low, high = made["identification_ci95"]
        assert low < made["identification"] < high and made["identification_top1_chance"] == pytest.approx(1 / 15)


def test_a_story_too_short_to_be_paired_anew_stays_as_it_is() -> None:
    rng = np.random.default_rng(1)
    long, short = story("long", 12, 0.5, rng), story("short", 2, 0.5, rng)
    rows = {row.row.id: row.record() for row in score_text([long, short], METRICS, Sampling(permutations=99))}
    assert rows["short"]["uncontrolled"] is True and "uncontrolled" not in rows["all"]
    # z asks how far the observed is from the null: what is the same in both has no part in it.
    assert rows["all"]["nulls"]["shift"]["wer"]["z"] == pytest.approx(rows["long"]["nulls"]["shift"]["wer"]["z"])
    assert rows["all"]["nulls"]["shift"]["n"] == rows["long"]["nulls"]["shift"]["n"] == 9


def test_streams_of_others_are_a_null_with_their_own_length() -> None:
    rng = np.random.default_rng(2)
    told = story("s", 10, 0.6, rng)
    others = [[split_text("w1 w2 w3")] * 10, told.found[0], [split_text("w4")] * 10]
    (row, _) = score_text([Story("s", told.true, told.found, {"lm": others}, None)], METRICS, Sampling())
    null = row.record()["nulls"]["lm"]
    assert null["n"] == 3 and null["wer"]["p"] == pytest.approx(2 / 4)
    assert null["length_ratio"] == pytest.approx((3 + 12 + 1) / 36)


def test_without_times_or_nulls_a_score_is_uncontrolled_and_says_so() -> None:
    told = story("s", 10, 0.6, np.random.default_rng(3))
    for row in score_text([Story("s", told.true, told.found, {}, None)], METRICS, Sampling()):
        assert row.record()["uncontrolled"] is True and "nulls" not in row.record()


def test_five_stories_are_drawn_whole() -> None:
    rng = np.random.default_rng(4)
    *each, every = score_text([story(f"s{k}", 4, 0.5, rng) for k in range(5)], METRICS, Sampling(permutations=0))
    assert every.record()["drawn"] == "stories" and each[0].record()["drawn"] is None
    assert "wer_ci95" in every.record() and "wer_ci95" not in each[0].record()


def test_a_stream_against_itself_differs_by_nothing() -> None:
    told = story("s", 10, 0.6, np.random.default_rng(5))
    (row, _) = score_text([Story("s", told.true, told.found * 2, {}, told.times)], METRICS, Sampling(permutations=99))
    made = row.record("_difference")
    assert (
        made["wer_difference"] == 0 and made["wer"] == made["wer_against"] and made["nulls"]["shuffle"]["wer"]["p"] == 1
    )

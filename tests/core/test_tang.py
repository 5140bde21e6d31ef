"""Tang's decoder: likelihoods in closed form, words as the paper places and proposes them, text better than chance."""

import numpy as np
import pytest

from medpipe.core.errors import InputError, ModelError
from medpipe.core.fmri.delays import delayed
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.language_models import open_causal
from medpipe.core.fmri.lm_words import LmWords
from medpipe.core.fmri.next_words import NextWords
from medpipe.core.fmri.response_likelihood import GrowingTexts, ResponseLikelihood
from medpipe.core.fmri.ridge import RidgeFit, fit_ridge
from medpipe.core.fmri.run_layout import RunLayout, standardised
from medpipe.core.fmri.simulated_responses import simulated_responses
from medpipe.core.fmri.story import make_story, read_topics
from medpipe.core.fmri.tang_beam import Beam
from medpipe.core.fmri.tang_model import HeardRun, TangModel, noise_covariance
from medpipe.core.fmri.tang_settings import beam_settings, tang_settings
from medpipe.core.fmri.voxel_scores import correlation
from medpipe.core.fmri.word_placement import even_times, on_volumes, placed, reach

DELAYS = (1, 2)


def linear(features: int, voxels: int, rng: np.random.Generator) -> FirModel:
    weights = rng.standard_normal((features * len(DELAYS), voxels)).astype("f4")
    ridge = RidgeFit(weights, rng.standard_normal(voxels), np.ones(voxels), np.empty((0, voxels)))
    return FirModel(DELAYS, rng.standard_normal(features), rng.uniform(0.5, 2, features), ridge)


@pytest.mark.parametrize("placement", ["sum", "lanczos"])
def test_the_likelihood_of_growing_texts_is_that_of_the_residuals(placement: str) -> None:
    """Nine volumes, two features, three voxels; two texts of four words that part at the second."""
    rng = np.random.default_rng(0)
    model, responses = linear(2, 3, rng), rng.standard_normal((9, 3))
    mixed = rng.standard_normal((3, 3))
    covariance = mixed @ mixed.T + np.eye(3)
    likelihood = ResponseLikelihood.of(model, covariance)
    vectors, times = rng.standard_normal((2, 4, 2)).astype("f4"), even_times([0, 0, 2, 0, 0, 0, 1, 0, 1])
    vectors[1, 0] = vectors[0, 0]

    def closed(said: np.ndarray) -> np.ndarray:
        left = responses - model.predict(on_volumes(said, times, 9, placement))
        return -0.5 * np.einsum("tv,vw,tw->t", left, np.linalg.inv(covariance), left)

    growing = GrowingTexts(likelihood, likelihood.project(responses), reach(placement))
    parents = np.array([0, 0])
    for number, time in enumerate(times):
        first, weights = placed(float(time), 9, placement)
        totals = growing.totals[parents] + growing.gains(first, weights, parents, vectors[:, number])
        growing.keep(first, weights, parents, vectors[:, number], totals)
        parents = np.array([0, 1])
    silent = closed(np.zeros((4, 2)))
    for said, total in zip(vectors, growing.totals, strict=True):
        assert total == pytest.approx((closed(said) - silent).sum(), rel=1e-4)
        ratios = likelihood.log_ratios(likelihood.project(responses), on_volumes(said, times, 9, placement))
        flat = likelihood.log_ratios(likelihood.project(responses), np.zeros((9, 2)))
        assert ratios - flat == pytest.approx(closed(said) - silent, abs=1e-3)


def test_the_noise_is_what_held_out_stories_leave_shrunk_to_the_identity() -> None:
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((30, 2)).astype("f4") for _ in range(3)]
    mixed = rng.standard_normal((4, 4))
    y = [(rng.standard_normal((30, 4)) @ mixed).astype("f4") for _ in range(3)]
    model = FirModel.fit(x, y, DELAYS, (10.0,))
    total = np.zeros((4, 4))
    for held in range(3):
        rest = [place for place in range(3) if place != held]
        features = np.concatenate([model.delayed(x[place]) for place in rest]).astype(float)
        true = np.concatenate([y[place] for place in rest]).astype(float)
        centred = features - features.mean(axis=0)
        weights = np.linalg.solve(centred.T @ centred + 10 * np.eye(4), centred.T @ (true - true.mean(axis=0)))
        left = y[held] - true.mean(axis=0) - (model.delayed(x[held]) - features.mean(axis=0)) @ weights
        total += left.T @ left / np.trace(left.T @ left) * 4 / 3
    assert noise_covariance(model, x, y, 2 / 3) == pytest.approx(total / 3 + 2 / 3 * np.eye(4), abs=1e-4)
    with pytest.raises(InputError, match="do not vary"):
        noise_covariance(model, x, [np.zeros_like(one) for one in y], 0.5)


def test_runs_of_one_story_are_held_out_together() -> None:
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((20, 2)).astype("f4") for _ in range(4)]
    y = [rng.standard_normal((20, 3)).astype("f4") for _ in range(4)]
    together = FirModel.fit(x, y, DELAYS, (1.0, 10.0), folds=[0, 1, 0, 1])
    joined = [np.concatenate([delayed_of(together, x[a]), delayed_of(together, x[b])]) for a, b in ((0, 2), (1, 3))]
    pairs = [np.concatenate([y[0], y[2]]), np.concatenate([y[1], y[3]])]
    assert together.ridge.losses == pytest.approx(fit_ridge(joined, pairs, (1.0, 10.0)).losses, rel=1e-5)
    with pytest.raises(InputError, match="two at least"):
        FirModel.fit(x, y, DELAYS, folds=[0, 0, 0, 0])


def delayed_of(model: FirModel, one: np.ndarray) -> np.ndarray:
    return delayed((one - model.mean) / model.spread, model.delays)


def test_words_lie_evenly_in_their_volumes() -> None:
    assert even_times([0, 2, 1]) == pytest.approx([1.25, 1.75, 2.5]) and len(even_times([0, 0])) == 0
    assert placed(2.5, 6, "sum") == (2, [1.0])
    first, weights = placed(4.5, 9, "lanczos")
    assert first == 1 and weights == pytest.approx([0, 0, 0, 1, 0, 0, 0], abs=1e-12)
    first, weights = placed(4.0, 9, "lanczos")
    assert first == 1 and weights == pytest.approx(weights[::-1]) and weights[2] == pytest.approx(0.6079, abs=1e-4)
    first, weights = placed(0.1, 2, "lanczos")
    assert first == 0 and len(weights) == 2


def test_windows_that_overlap_or_leave_gaps_are_put_together() -> None:
    layout = RunLayout.of([4.0, 8.0, 20.0], [4, 4, 3], 2.0)
    assert layout.rows.tolist() == [0, 2, 6] and layout.stretches() == [slice(0, 6), slice(6, 9)]
    run = np.arange(9.0)[:, None]
    assert layout.joined([run[0:4], run[2:6], run[6:9]]).tolist() == run.tolist()
    made = standardised(np.column_stack([run, np.ones(9)]).astype("f4"))
    assert made[:, 0].std() == pytest.approx(1) and not made[:, 1].any()
    with pytest.raises(InputError, match="not whole volumes"):
        RunLayout.of([0.0, 5.0], [2, 2], 2.0)


def test_what_may_come_next_is_the_nucleus_without_repetitions() -> None:
    words = NextWords.of({"the": 0, "dog": 1, "dogs": 2, "ran": 3, "i": 4}, 7, 0.9, 0.1)
    assert [words.words[place] for place in words.first()] == ["i"]
    shares = np.array([[0.4, 0.2, 0.0, 0.25, 0.02, 0.03, 0.1]], "f4")

    def after(*context: int) -> list[str]:
        return [words.words[place] for place in words.after(np.array([context]), shares)[0]]

    # 6 is no word; 4 and 5 lie below a tenth of the likeliest.
    assert after(4) == ["the", "ran", "dog"]
    assert after(2, 4) == ["the", "ran"] and after(0, 0) == ["ran", "dog"]
    assert after(4, 3, 0, 4) == ["the", "dog"]
    with pytest.raises(ModelError, match="no word"):
        NextWords.of({}, 7, 0.9, 0.1)


def test_a_words_vector_depends_on_the_words_before_it_and_nothing_else() -> None:
    told = ["we", "saw", "the", "dog", "run", "and", "the", "dog", "ran"]
    model, tokenizer, _ = open_causal("small", [" ".join(told)], 0)
    lm = LmWords(model, tokenizer, 2, 3)
    whole = lm.vectors(told)
    assert whole[4:] == pytest.approx(lm.vectors(told[1:])[3:], abs=1e-5)
    assert np.abs(whole[3] - whole[7]).max() > 1e-3
    tokens = np.array([lm.ids(word)[0] for word in told])
    assert lm.token_vectors(tokens[None, :5], tokens[5:6])[0] == pytest.approx(whole[5], abs=1e-5)
    plain = LmWords(model, tokenizer, 0, 3).vectors(told)
    assert (plain[3] == plain[7]).all()
    assert lm.words(["dog", "dog ran", "cat"]) == {"dog": tokens[3]}
    with pytest.raises(ModelError, match="2 layers"):
        LmWords(model, tokenizer, 3, 3)


SECONDS, VOLUMES = [240.0] * 5, 40


@pytest.fixture(scope="module")
def listener() -> tuple[TangModel, LmWords, list[HeardRun], list[list[str]]]:
    """A simulated listener with clear responses, models of four stories, and the words of the fifth by volume."""
    _, responses = simulated_responses(SECONDS, 0.7, 0, 80)
    topics = read_topics()
    stories = [
        make_story(f"s{n}", length, topics, np.random.default_rng([0, 0, n])) for n, length in enumerate(SECONDS)
    ]
    model, tokenizer, _ = open_causal("small", [" ".join(one.words) for one in stories], 0)
    settings = tang_settings("tang").override({"layer": 0, "placement": "sum", "voxels": 50})
    lm, runs = LmWords(model, tokenizer, 0, 5), []
    for story, rows in zip(stories, responses, strict=True):
        heard: list[list[str]] = [[] for _ in rows]
        for word, onset in zip(story.words, story.onsets, strict=True):
            heard[int((onset + 10) / 2 + 1e-9)].append(word)
        counts = np.array([len(words) for words in heard])
        vectors = lm.vectors([word for words in heard for word in words])
        runs.append(HeardRun(story.name, on_volumes(vectors, even_times(counts), len(rows), "sum"), counts, rows))
    return TangModel.fit(runs[:4], settings), lm, runs, heard


def test_stories_held_out_are_encoded_decoded_and_identified(listener) -> None:
    model, _, runs, _ = listener
    found = model.evaluate(runs[4:], 2.0, np.random.default_rng(0))
    assert found["encoding_r"] > 0.2 and found["encoding_r_top"] > 0.35 and found["word_rate_r"] > 0.3
    # 101 shifts are possible: none does as well.
    assert found["identification"] > 0.75 and found["p"] == pytest.approx(1 / 102) and found["windows"] == 13
    assert len(model.voxels) == 50 and (np.diff(model.scores) <= 0).all()
    counts = model.rate.counts(runs[4].responses[:, model.voxels])
    assert np.corrcoef(counts, runs[4].words)[0, 1] > 0.3


def test_decoded_words_are_better_than_those_of_random_likelihoods(listener) -> None:
    model, lm, runs, heard = listener
    responses = runs[4].responses[:VOLUMES, model.voxels]
    counts, projected = model.rate.counts(responses), model.likelihood.project(responses)
    known = lm.words({word for words in heard for word in words})
    words = NextWords.of(known, lm.tokens, 0.9, 0.1)
    beam = Beam(lm, words, beam_settings().override({"beam": 8}), "sum", 2.0)

    def decoded(chance: np.random.Generator | None) -> tuple[float, float]:
        told, vectors = beam.search(counts, GrowingTexts(model.likelihood, projected, 1), chance)
        assert len(told) == counts.sum() == len(vectors)
        features = on_volumes(vectors, even_times(counts), VOLUMES, "sum")
        alike = correlation(runs[4].features[:VOLUMES], features)
        return float(alike.mean()), float(model.likelihood.log_ratios(projected, features).sum())

    found, null = decoded(None), [decoded(np.random.default_rng(seed)) for seed in range(2)]
    assert found[0] > max(r for r, _ in null) + 0.05 and found[1] > max(ratio for _, ratio in null) + 100

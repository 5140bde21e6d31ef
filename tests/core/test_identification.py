"""Window identification: what it must be by hand, on signal, and on none."""

import numpy as np
import pytest

from medpipe.core.errors import InputError
from medpipe.core.fmri.decoding import fit_decoding
from medpipe.core.fmri.identification import Identification, identify
from medpipe.core.fmri.simulated_responses import simulated_responses


def decoded(seed: int, ev: float, seconds: list[float], train: int, voxels: int, folds: int | None) -> Identification:
    features, responses = simulated_responses(seconds, ev, seed, voxels)
    features = [one[:, :-1] for one in features]
    model = fit_decoding(responses[:train], features[:train], folds=folds)
    predicted = [model.predict(one) for one in responses[train:]]
    return identify(predicted, features[train:], np.random.default_rng(seed))


def test_signal_is_identified_at_an_explainable_variance_of_five_percent() -> None:
    """12 stories of 8 minutes to train on, one of 10 held out, 400 voxels."""
    found = decoded(0, 0.05, [480.0] * 12 + [600.0], 12, 400, folds=2)
    assert found.p < 0.01 and found.rank_accuracy > 0.85 and found.top1 > 0.2 and found.windows == 31
    assert found.null.mean() == pytest.approx(0.5, abs=0.05) and found.null.max() < found.rank_accuracy


SEEDS = 60
SHORT = [160.0] * 3 + [240.0] * 2


def distance_from_uniform(values: list[float]) -> float:
    """The largest distance between the share of values below a number and the number."""
    ordered = np.sort(values)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max())


# Dvoretzky, Kiefer, Wolfowitz and Massart: above this with a probability of 2 exp(-2 n d^2) = 0.001 at most, whatever
# uniform values are; a step of 1/1000 more, since p is a share of 1000.
BOUND = np.sqrt(np.log(2 / 0.001) / (2 * SEEDS)) + 0.001


def test_without_signal_p_is_uniform_and_with_signal_the_same_test_says_that_it_is_not() -> None:
    none = [decoded(seed, 0.0, SHORT, 3, 12, None).p for seed in range(SEEDS)]
    assert distance_from_uniform(none) < BOUND
    some = [decoded(seed, 0.5, SHORT, 3, 12, None).p for seed in range(SEEDS // 10)]
    assert max(some) < 0.01 and distance_from_uniform(some) > 0.9


def test_ranks_by_hand() -> None:
    true = np.repeat(np.eye(4), 10, axis=0)
    rng = np.random.default_rng(0)
    perfect = identify([true], [true], rng)
    assert (perfect.rank_accuracy, perfect.top1, perfect.windows) == (1.0, 1.0, 4)
    # Each window decoded as its neighbour: its own is one of three others that are equally unlike it.
    moved = identify([np.roll(true, 10, axis=0)], [true], rng)
    assert moved.rank_accuracy == pytest.approx(1 / 3) and moved.top1 == 0
    constant = identify([np.ones((40, 4))], [true], rng)
    assert constant.rank_accuracy == pytest.approx(0.5) and constant.p == 1.0 and (constant.null == 0.5).all()


def test_p_counts_the_shifts_that_do_as_well_and_none_is_nearer_than_said() -> None:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((200, 6))
    found = identify([true], [true], np.random.default_rng(1), shifts=499)
    assert found.p == 1 / 500 and len(found.null) == 499
    # Shifted by exactly twenty volumes, a null that may go so far finds it, one that may not does not.
    away = [np.roll(true, -20, axis=0)]
    assert identify(away, [true], np.random.default_rng(1), least_shift=20).null.max() == 1.0
    assert identify(away, [true], np.random.default_rng(1), least_shift=21).null.max() < 1.0


def test_stories_count_by_their_windows() -> None:
    rng = np.random.default_rng(0)
    long, short = rng.standard_normal((120, 5)), rng.standard_normal((40, 5))
    both = identify([long, -short], [long, short], rng)
    assert both.windows == 16 and both.rank_accuracy == pytest.approx((12 * 1.0 + 4 * 0.0) / 16)


def test_what_does_not_fit_is_told() -> None:
    rng = np.random.default_rng(0)
    for one, other, said in (
        (np.zeros((40, 3)), np.zeros((41, 3)), "must be alike"),
        (np.zeros((19, 3)), np.zeros((19, 3)), "no two windows"),
        (np.zeros((25, 3)), np.zeros((25, 3)), "room to be shifted"),
    ):
        with pytest.raises(InputError, match=said):
            identify([one], [other], rng)
    with pytest.raises(InputError, match="0 stories decoded"):
        identify([], [], rng)

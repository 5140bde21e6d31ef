"""Ridge regression: against scikit-learn fold by fold, himalaya where it is installed, and in closed form."""

from collections.abc import Iterator

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from medpipe.core.errors import InputError
from medpipe.core.fmri.decoding import fit_decoding
from medpipe.core.fmri.delays import delayed, look_back
from medpipe.core.fmri.encoding import fit_encoding, score_encoding
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.ridge import fit_ridge
from medpipe.core.fmri.voxel_scores import correlation, explainable_variance, explained
from medpipe.core.fmri.word_rate import fit_word_rate

LENGTHS = (40, 55, 35, 50)
ALPHAS = tuple(np.logspace(-1, 4, 8))
Stories = list[np.ndarray]
# More times than features, and fewer.
widths = pytest.mark.parametrize("width", [12, 300])


def stories(width: int, targets: int = 30, seed: int = 0) -> tuple[Stories, Stories]:
    """Features with a mean, targets with an intercept and much noise."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((width, targets)) * (rng.random((width, targets)) < 0.3)
    mean = rng.standard_normal(width)
    x = [(rng.standard_normal((length, width)) + mean).astype(np.float32) for length in LENGTHS]
    noise = rng.uniform(0.5, 6, targets)
    y = [(one @ weights * 0.3 + noise * rng.standard_normal((len(one), targets)) + 7).astype(np.float32) for one in x]
    return x, y


def folds(x: Stories, y: Stories) -> Iterator[tuple[np.ndarray, ...]]:
    for held in range(len(x)):
        rest = [place for place in range(len(x)) if place != held]
        yield np.concatenate([x[p] for p in rest]), np.concatenate([y[p] for p in rest]), x[held], y[held]


@widths
@pytest.mark.parametrize("block", [1024, 7])
def test_losses_penalties_and_weights_are_those_of_plain_fits(width: int, block: int) -> None:
    x, y = stories(width)
    found = fit_ridge(x, y, ALPHAS, block)
    losses = np.zeros((len(ALPHAS), 30))
    for place, alpha in enumerate(ALPHAS):
        for train_x, train_y, held_x, held_y in folds(x, y):
            predicted = Ridge(alpha).fit(train_x.astype(float), train_y.astype(float)).predict(held_x.astype(float))
            losses[place] += ((held_y - predicted) ** 2).mean(axis=0) / len(x)
    assert found.losses == pytest.approx(losses, rel=1e-4)
    assert (found.alphas == np.array(ALPHAS)[losses.argmin(axis=0)]).all() and len(set(found.alphas)) > 2
    whole = Ridge(found.alphas).fit(np.concatenate(x).astype(float), np.concatenate(y).astype(float))
    assert np.abs(found.weights.T - whole.coef_).max() < 1e-4
    assert found.intercept == pytest.approx(whole.intercept_, abs=1e-3)
    assert found.predict(x[0]) == pytest.approx(whole.predict(x[0]), abs=2e-3)


@widths
def test_scores_are_himalayas(width: int) -> None:
    ridge = pytest.importorskip("himalaya.ridge")
    from sklearn.model_selection import PredefinedSplit

    x, y = stories(width)
    fold = np.repeat(np.arange(3), LENGTHS[:3])
    theirs = ridge.RidgeCV(ALPHAS, fit_intercept=True, cv=PredefinedSplit(fold), solver_params={"warn": False})
    theirs.fit(np.concatenate(x[:3]), np.concatenate(y[:3]))
    ours = fit_ridge(x[:3], y[:3], ALPHAS)
    assert ours.alphas == pytest.approx(theirs.best_alphas_, rel=1e-6)
    assert ours.cv_scores == pytest.approx(theirs.cv_scores_, rel=1e-4)
    assert explained(y[3], ours.predict(x[3])) == pytest.approx(theirs.score(x[3], y[3]), abs=1e-4)


def test_stories_of_one_fold_are_held_out_together() -> None:
    x, y = stories(12)
    two = fit_ridge(x, y, ALPHAS, folds=2)
    by_hand = fit_ridge(
        [np.concatenate(x[:2]), np.concatenate(x[2:])], [np.concatenate(y[:2]), np.concatenate(y[2:])], ALPHAS
    )
    assert two.losses == pytest.approx(by_hand.losses, rel=1e-6)
    assert fit_ridge(x, y, ALPHAS).losses != pytest.approx(two.losses, rel=1e-3)


def test_windows_of_one_story_are_never_on_both_sides() -> None:
    """Targets that each story has of its own are known within a story and nothing outside it."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((40, 5)) + 10 * np.eye(5)[place] for place in range(4)]
    y = [np.full((40, 1), float(value)) + 0.01 * rng.standard_normal((40, 1)) for value in (3, -5, 4, -2)]
    assert fit_ridge(x, y, (1e-3, 1.0)).cv_scores[0] < -5


def test_targets_in_a_file_are_read_block_by_block(tmp_path) -> None:
    x, y = stories(12)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        stored = [file.create_dataset(str(place), data=one) for place, one in enumerate(y)]
        assert (fit_ridge(x, stored, ALPHAS, 7).weights == fit_ridge(x, y, ALPHAS, 7).weights).all()


def test_what_does_not_fit_is_told() -> None:
    x, y = stories(12)
    broken = [y[0].copy(), *y[1:]]
    broken[0][3, 2] = np.nan
    wild = [np.where(np.arange(12) == 3, np.inf, x[0]), *x[1:]]
    for inputs, outputs, said in (
        (x[:1], y[:1], "two at least"),
        (x, y[:3], "4 stories of features, 3 of targets"),
        (x, [y[0][1:], *y[1:]], "story 0: 40 times of features, 39 of targets"),
        (x, [y[0], y[1][:, :3], *y[2:]], "another number"),
        (x, broken, "no number"),
        (wild, y, "a feature is no number"),
    ):
        with pytest.raises(InputError, match=said):
            fit_ridge(inputs, outputs, ALPHAS)
    for alphas in ((), (0.0,), (np.inf,)):
        with pytest.raises(ValueError, match="penalties"):
            fit_ridge(x, y, alphas)
    with pytest.raises(ValueError, match="5 folds"):
        fit_ridge(x, y, ALPHAS, folds=5)


@given(seed=st.integers(0, 1000), shift=st.floats(-50, 50), width=st.sampled_from([3, 60]))
@settings(max_examples=15, deadline=None)
def test_a_constant_added_to_targets_moves_the_intercept_alone(seed: int, shift: float, width: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = [rng.standard_normal((20, width)) for _ in range(3)], [rng.standard_normal((20, 4)) for _ in range(3)]
    plain, moved = (fit_ridge(x, [one + by for one in y], (1.0, 100.0)) for by in (0.0, shift))
    assert moved.weights == pytest.approx(plain.weights, abs=1e-4)
    assert moved.intercept - plain.intercept == pytest.approx(np.full(4, shift), abs=1e-3)


@given(length=st.integers(6, 30), width=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_delays_shift_and_looking_back_is_their_adjoint(length: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, length, width)).astype(np.float32)
    late, early = delayed(x, (0, 1, 4)), delayed(y, look_back((0, 1, 4)))
    assert (late[:, :width] == x).all() and (late[4:, 2 * width :] == x[:-4]).all() and not late[:4, 2 * width :].any()
    for place in range(3):
        columns = slice(place * width, (place + 1) * width)
        assert (late[:, columns] * y).sum() == pytest.approx((x * early[:, columns]).sum(), abs=1e-3)


def test_delays_longer_than_a_story_are_told() -> None:
    with pytest.raises(InputError, match="delays of 4 volumes in a story of 4"):
        delayed(np.zeros((4, 2)))


def test_scores_in_closed_form() -> None:
    true = np.array([[1.0, 1, 5], [2, 2, 5], [3, 3, 5]])
    predicted = np.array([[2.0, 3, 1], [4, 2, 2], [6, 1, 3]])
    assert correlation(true, predicted) == pytest.approx([1, -1, 0])
    # Errors 1, 4, 9 over a variation of 2, then 4, 0, 4.
    assert explained(true, predicted) == pytest.approx([1 - 14 / 2, 1 - 8 / 2, 0])
    runs = np.stack([np.array([[1.0], [-1], [1], [-1]]), np.array([[1.0], [-1], [-1], [1]])])
    assert explainable_variance(runs) == pytest.approx([0]) and explainable_variance(
        np.stack([runs[0], runs[0]])
    ) == pytest.approx([1])
    with pytest.raises(ValueError, match="two runs"):
        explainable_variance(runs[:1])


def heard(seed: int = 0, targets: int = 25) -> tuple[Stories, Stories]:
    """Features and what they cause one to four volumes later."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((4, 6, targets)) * 0.4
    x = [rng.standard_normal((length + 60, 6)) for length in LENGTHS]
    y = [
        np.tensordot(delayed(one), weights.reshape(24, -1), 1) + 0.5 * rng.standard_normal((len(one), targets))
        for one in x
    ]
    return x, y


def test_an_encoding_model_finds_what_caused_the_responses_and_decoding_goes_back() -> None:
    x, y = heard()
    model = fit_encoding(x[:3], y[:3], alphas=ALPHAS)
    scores = score_encoding(model, x[3], y[3], block=10)
    assert scores.r.min() > 0.8 and scores.r2.min() > 0.6
    assert scores.r == pytest.approx(correlation(y[3], model.predict(x[3])))
    back = fit_decoding(y[:3], x[:3], alphas=ALPHAS)
    assert back.delays == (-1, -2, -3, -4) and correlation(x[3][:-4], back.predict(y[3])[:-4]).min() > 0.8
    assert isinstance(back, FirModel) and back.predict(y[3]).dtype == np.float32


def test_inputs_are_scaled_by_training_and_constant_ones_do_no_harm() -> None:
    x, y = heard()
    scaled = [np.column_stack([one * 1000 - 7, np.ones(len(one))]) for one in x]
    plain, other = fit_encoding(x[:3], y[:3], alphas=ALPHAS), fit_encoding(scaled[:3], y[:3], alphas=ALPHAS)
    assert other.predict(scaled[3]) == pytest.approx(plain.predict(x[3]), abs=1e-3)


def test_words_are_counted_in_whole_numbers_none_below_zero() -> None:
    rng = np.random.default_rng(0)
    words = [rng.poisson(3, 80) for _ in range(4)]
    weights = rng.standard_normal((4, 20))
    responses = [delayed(one[:, None]) @ weights + 0.3 * rng.standard_normal((80, 20)) for one in words]
    model = fit_word_rate(responses[:3], words[:3], alphas=ALPHAS)
    counts = model.counts(responses[3])
    assert counts.dtype == np.int64 and counts.min() >= 0 and (counts[:-4] == words[3][:-4]).mean() > 0.8
    assert model.counts(responses[3] * -9).min() == 0

"""Probes: scikit-learn's own solution, choices by validation alone, subsets by patient, spectra with leads absent."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from medpipe.core.ecg.probe import STRENGTHS, Sample, Standard, choose, mean_auroc, nested_subsets, probe_logistic
from medpipe.core.ecg.probe_released import probe_released
from medpipe.core.ecg.spectral_ridge import PENALTIES, probe_ridge, spectral_encoder, with_gaps
from medpipe.core.ecg.untrained_twin import twin_seeds, untrained_twin
from medpipe.core.metrics.repeated import Judged
from medpipe.core.metrics.roc import auroc, average_precision

linear = pytest.importorskip("sklearn.linear_model")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a command: threads of so small products only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sample(count: int, seed: int, dim: int = 20) -> Sample:
    """Two classes of which a noisy projection of the features tells."""
    rng = np.random.default_rng(seed)
    features = rng.normal(3, 5, (count, dim)).astype(np.float32)
    signal = (features[:, :2] - 3) / 5 + rng.normal(0, 1, (count, 2))
    return Sample(features, (signal > 0.3).astype(np.float32))


def test_the_probe_is_scikit_learns_logistic_regression() -> None:
    train, val, test = sample(80, 0), sample(60, 1), sample(50, 2)
    got = probe_logistic(train, val, test.features)
    standard = Standard.of(train.features)
    for k in range(2):
        model = linear.LogisticRegression(C=got.chosen, max_iter=1000, tol=1e-8)
        model.fit(standard(train.features), train.labels[:, k])
        assert got.scores[:, k] == pytest.approx(model.decision_function(standard(test.features)), abs=5e-3)


def test_the_strength_is_the_best_on_validation() -> None:
    train, val, test = sample(80, 0), sample(60, 1), sample(50, 2)
    standard, quality = Standard.of(train.features), {}
    for strength in STRENGTHS:
        models = [
            linear.LogisticRegression(C=strength, max_iter=1000).fit(standard(train.features), column)
            for column in train.labels.T
        ]
        scores = np.stack([model.decision_function(standard(val.features)) for model in models], axis=1)
        quality[strength] = mean_auroc(val.labels, scores, [0, 1])
    chosen = probe_logistic(train, val, test.features).chosen
    assert quality[chosen] == pytest.approx(max(quality.values()), abs=1e-3)


def test_of_equal_penalties_the_strongest_is_taken_and_undefined_classes_do_not_count() -> None:
    labels = np.array([[0, 1], [1, 1], [0, 1], [1, 1]], np.float32)
    both = Sample(np.zeros((4, 1), np.float32), labels)
    right = np.array([[0, 9], [1, 0], [0, 5], [1, 0], [0, 0]], float)
    got = choose(both, both, [(1.0, right), (10.0, 2 * right)])
    assert got.chosen == 1.0 and got.learnt.tolist() == [True, False] and got.scores.tolist() == [[0, 0]]
    nothing = Sample(both.features, labels[:, 1:])
    assert choose(nothing, nothing, [(1.0, right[:, 1:])]).chosen is None


@pytest.mark.parametrize("dim", [10, 200])
def test_ridge_is_the_closed_form_with_fewer_and_with_more_features_than_recordings(dim: int) -> None:
    train, val, test = sample(80, 0, dim), sample(60, 1, dim), sample(50, 2, dim)
    got = probe_ridge(train, val, test.features)
    assert got.chosen in PENALTIES
    standard = Standard.of(train.features)
    model = linear.Ridge(alpha=got.chosen).fit(standard(train.features), train.labels)
    assert got.scores == pytest.approx(model.predict(standard(test.features)), abs=1e-6)


def test_a_class_with_one_value_is_a_constant_and_an_unknown_label_takes_no_part() -> None:
    train, val, test = sample(80, 0), sample(60, 1), sample(50, 2)
    labels = train.labels.copy()
    labels[:, 1] = 0
    for probe in (probe_logistic, probe_ridge):
        got = probe(Sample(train.features, labels), val, test.features)
        assert got.learnt.tolist() == [True, False] and np.ptp(got.scores[:, 1]) == 0
    released = probe_released(Sample(train.features, labels), test, 0)
    assert np.ptp(released.scores[:, 1]) == 0 and 1 <= released.chosen <= 100
    torn = np.concatenate([train.labels, np.full((5, 2), np.nan, np.float32)])
    # The same mean and spread, so that only the labels could change anything.
    more = np.concatenate([train.features, np.tile(train.features.mean(0), (5, 1))])
    got = probe_ridge(Sample(more, torn), val, test.features)
    assert auroc(test.labels[:, 0], got.scores[:, 0]) == pytest.approx(
        auroc(test.labels[:, 0], probe_ridge(train, val, test.features).scores[:, 0]), abs=0.02
    )


def test_the_released_protocol_looks_at_the_test_labels_and_repeats_with_its_seed() -> None:
    train, test = sample(40, 0), sample(50, 2)
    got = probe_released(train, test, 3)
    again, other = probe_released(train, test, 3), probe_released(train, test, 4)
    assert np.array_equal(got.scores, again.scores) and not np.array_equal(got.scores, other.scores)
    upside = probe_released(train, Sample(test.features, 1 - test.labels), 3)
    assert upside.chosen != got.chosen


def test_subsets_hold_whole_patients_nest_and_do_not_depend_on_the_order() -> None:
    patients = [f"p{k // 3}" for k in range(90)]
    for seed in range(3):
        subsets = nested_subsets(patients, (0.01, 0.1, 1), seed)
        drawn = {fraction: {patients[row] for row in rows} for fraction, rows in subsets.items()}
        assert [len(drawn[fraction]) for fraction in (0.01, 0.1, 1)] == [1, 3, 30]
        assert drawn[0.01] < drawn[0.1] < drawn[1]
        assert all(len(rows) == 3 * len(drawn[fraction]) for fraction, rows in subsets.items())
        turned = nested_subsets(patients[::-1], (0.1,), seed)[0.1]
        assert {patients[::-1][row] for row in turned} == drawn[0.1]
    assert len({frozenset(nested_subsets(patients, (0.1,), seed)[0.1]) for seed in range(5)}) > 1


def test_a_value_is_the_mean_over_seeds_within_its_interval() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 2)) < 0.4).astype(float)
    runs = [labels + rng.normal(0, noise, labels.shape) for noise in (0.5, 1.0, 1.5)]
    judged = Judged(labels, ["a", "b"], [f"p{k // 2}" for k in range(200)], 10)
    measured = judged.measure({"good": runs, "flat": [np.zeros((200, 2))]}, 200, 0)
    made = measured["good"].estimates(0)
    assert made["auroc_seeds"] == pytest.approx([auroc(labels[:, 0], one[:, 0]) for one in runs])
    assert made["auroc"] == pytest.approx(np.mean(made["auroc_seeds"]))
    assert made["auroc_sd"] == pytest.approx(np.std(made["auroc_seeds"], ddof=1))
    assert made["auprc"] == pytest.approx(np.mean([average_precision(labels[:, 0], one[:, 0]) for one in runs]))
    assert made["auroc_ci95"][0] < made["auroc"] < made["auroc_ci95"][1]
    apart = measured["good"].minus(measured["flat"]).estimates(judged.columns.index("macro:all"))
    macro = np.mean([measured["good"].estimates(k)["auroc"] for k in range(2)])
    assert apart["auroc_difference"] == pytest.approx(macro - 0.5) and apart["auroc_difference_p"] <= 0.01


def test_a_rare_class_is_in_one_macro_mean_and_an_empty_one_in_none() -> None:
    labels = np.zeros((40, 3))
    labels[:20, 0] = labels[:3, 1] = 1
    judged = Judged(labels, ["a", "b", "c"], [str(k) for k in range(40)], 10)
    made = judged.measure({"any": [np.arange(120.0).reshape(40, 3)]}, 0, 0)["any"]
    assert [judged.facts(k).get("classes") for k in (3, 4)] == [2, 1]
    assert judged.facts(2)["undefined"] == "no positive record" and made.estimates(2)["auroc"] is None
    assert made.estimates(3)["auroc"] == 0 and "auroc_ci95" not in made.estimates(3)


def test_spectra_of_an_absent_lead_are_unknown_and_the_others_are_as_they_were() -> None:
    encoder = spectral_encoder()
    x = np.random.default_rng(0).normal(size=(1, 12, 1000)).astype(np.float32)
    everything = np.ones((1, 12), bool)
    some = everything.copy()
    some[0, 3:] = False
    whole, part = (with_gaps(encoder.encode(x * mask[..., None], mask)) for mask in (everything, some))
    known = np.isfinite(part[0])
    assert whole.shape == (1, 1026) and np.isfinite(whole).all() and known.sum() == 3 * 80 + 3
    assert part[0, known] == pytest.approx(whole[0, known])


def test_the_twin_of_an_encoder_has_its_architecture_and_other_weights() -> None:
    from medpipe.core.ecg.default_model import DefaultModel
    from medpipe.core.ecg.encoders import open_encoder

    drawn = open_encoder("", arch="merl-resnet18", init="random", seed=1)
    assert twin_seeds(drawn, 3) == [0, 2, 3] and untrained_twin(drawn, 0).name == "random:merl-resnet18:0"
    assert twin_seeds(open_encoder("smoke"), 2) == [1, 2]
    default = DefaultModel.load()
    first, again, other = (untrained_twin(default, seed) for seed in (0, 0, 1))
    x = np.random.default_rng(0).normal(size=(2, 12, 1000)).astype(np.float32)
    present = np.ones((2, 12), bool)
    assert not first.trained and np.array_equal(first.encode(x, present), again.encode(x, present))
    assert not np.allclose(first.encode(x, present), other.encode(x, present))

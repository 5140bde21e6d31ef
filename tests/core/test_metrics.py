"""Areas, thresholds and intervals: against scikit-learn, against closed forms, and where they are undefined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medpipe.core.metrics.bootstrap import draw_weights, interval, two_sided_p
from medpipe.core.metrics.labels import compare_labels, score_labels
from medpipe.core.metrics.roc import auroc, average_precision, rank, threshold_row, weighted_areas, youden_threshold

LABELS = hnp.arrays(np.float64, 30, elements=st.sampled_from([0.0, 1.0]))
SCORES = hnp.arrays(np.float64, 30, elements=st.sampled_from([0.1, 0.2, 0.5, 0.7]))
WEIGHTS = hnp.arrays(np.float64, 30, elements=st.integers(0, 3).map(float))


@settings(deadline=None)
@given(LABELS, SCORES, WEIGHTS)
def test_areas_are_scikit_learns(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    got = [area[0] for area in weighted_areas(rank(labels, scores), weights[None])]
    if not 0 < labels @ weights < weights.sum():
        assert np.isnan(got).all()
        return
    assert got[0] == pytest.approx(metrics.roc_auc_score(labels, scores, sample_weight=weights))
    assert got[1] == pytest.approx(metrics.average_precision_score(labels, scores, sample_weight=weights))


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 50).astype(float), rng.normal(size=50).round(1)
    pairs = scores[labels == 1][:, None] - scores[labels == 0][None]
    assert auroc(labels, scores) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert average_precision(labels, np.zeros(50)) == pytest.approx(labels.mean())


def test_of_no_records_nothing_is_known() -> None:
    assert np.isnan(auroc(np.empty(0), np.empty(0))) and np.isnan(average_precision(np.empty(0), np.empty(0)))


def test_thresholds() -> None:
    labels, scores = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])
    row = threshold_row(labels, scores, 0.4)
    assert (row["sensitivity"], row["specificity"], row["tp"], row["fp"]) == (0.5, 0.5, 1, 1)
    assert youden_threshold(labels, scores) == 0.8
    assert threshold_row(labels, scores, 2.0)["ppv"] is None


def test_clusters_are_drawn_whole() -> None:
    clusters = ["a", "a", "b", "c", "c", "c"]
    weights = np.concatenate(list(draw_weights(6, 50, 1, clusters)))
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()


def test_repeated_records_widen_the_interval_by_patient_alone() -> None:
    rng = np.random.default_rng(3)
    labels, scores = rng.integers(0, 2, 60).astype(float), rng.normal(size=60)
    scores += labels
    repeat = [np.repeat(one, 5)[:, None] for one in (labels, scores)]
    patients = np.repeat(np.arange(60), 5).astype(str).tolist()
    width = []
    for clusters in (None, patients):
        low, high = score_labels(*repeat, ["x"], clusters=clusters, draws=400).rows[0].estimates["auroc"].interval
        width.append(high - low)
    assert width[1] > 1.8 * width[0]


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        labels = (np.arange(120) % 2).astype(float)
        scores = rng.normal(size=120) + labels
        low, high = (
            score_labels(labels[:, None], scores[:, None], ["x"], draws=200, seed=seed)
            .rows[0]
            .estimates["auroc"]
            .interval
        )
        covered += low <= 0.7602 <= high
    assert covered >= 88


def test_macro_means_leave_out_what_is_undefined_or_rare() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((100, 3))
    labels[:40, 0], labels[:5, 1] = 1, 1
    scores = rng.normal(size=(100, 3)) + labels
    made = {row.id: row for row in score_labels(labels, scores, ["a", "b", "c"], draws=50).rows}
    assert (
        made["class:c"].estimates["auroc"].value is None and made["class:c"].facts["undefined"] == "no positive record"
    )
    assert made["macro:all"].facts["classes"] == 2 and made["macro:min10"].facts["classes"] == 1
    mean = (made["class:a"].estimates["auroc"].value + made["class:b"].estimates["auroc"].value) / 2
    assert made["macro:all"].estimates["auroc"].value == pytest.approx(mean)


def test_unknown_labels_take_no_part() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, (50, 1)).astype(float), rng.normal(size=(50, 1))
    whole = score_labels(labels[:30], scores[:30], ["a"], draws=0).rows[0]
    labels[30:] = np.nan
    part = score_labels(labels, scores, ["a"], draws=0).rows[0]
    assert part.facts["n"] == 30 and part.estimates["auroc"].value == whole.estimates["auroc"].value


def test_paired_differences() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (300, 2)).astype(float)
    good, bad = rng.normal(size=(300, 2)) + 2 * labels, rng.normal(size=(300, 2))
    made = compare_labels(labels, good, bad, ["a", "b"], draws=200)
    assert all(row.estimates["auroc"].interval[0] > 0 and row.estimates["auroc"].p <= 0.01 for row in made.rows)
    same = compare_labels(labels, good, good, ["a", "b"], draws=200)
    assert all(row.estimates["auroc"].value == 0 and row.estimates["auroc"].p == 1 for row in same.rows)
    row = made.records()[0]
    alone = [score_labels(labels, side, ["a", "b"], draws=0).records()[0]["auroc"] for side in (good, bad)]
    assert [row["auroc"], row["auroc_against"]] == alone and row["auroc_difference"] == alone[0] - alone[1]
    assert "AUROC difference" in made.table()


def test_odd_sizes_do_not_break_it() -> None:
    for labels, scores in ((np.ones((1, 1)), np.ones((1, 1))), (np.array([[0.0], [1.0]]), np.zeros((2, 1)))):
        made = score_labels(labels, scores, ["a"], draws=20)
        assert len(made.records()) == 3 and made.table()
    assert interval(np.array([np.nan, 1.0])) is None and two_sided_p(np.array([])) is None


def test_a_draw_without_one_of_the_classes_takes_no_part_in_the_macro_mean() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((60, 2))
    labels[:30, 0], labels[:2, 1] = 1, 1
    made = score_labels(labels, labels + rng.normal(0, 0.1, labels.shape), ["often", "rare"], draws=200)
    rows = {row.id: row for row in made.rows}
    assert rows["macro:all"].facts["draws_undefined"] == rows["class:rare"].facts["draws_undefined"] > 0
    labels[1, 1] = 0
    alone = score_labels(labels, labels, ["often", "once"], draws=200).rows[1]
    assert alone.estimates["auroc"].value == 1.0 and alone.estimates["auroc"].interval is None

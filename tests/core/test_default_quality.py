"""The shipped checkpoint on recordings that it never saw; the figures themselves are in its model card."""

import os
from pathlib import Path

import numpy as np
import pytest

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.default_model import DefaultModel
from medpipe.core.ecg.evaluate import (
    LEAD_SETS,
    auroc,
    calibration,
    embeddings,
    interval,
    macro,
    pooled,
    synonym_changes,
    zero_shot,
)
from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.ptbxl import SUPERCLASSES

needs_data = pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
SYNONYMS = Path(__file__).parents[1] / "data" / "synonyms.tsv"


@pytest.fixture(scope="module")
def sets():
    return {label: ptbxl.load(label) for label in ("train", "fold9", "unseen")}


@needs_data
def test_no_patient_is_in_two_sets(sets):
    patients = [set(recordings.patients) for recordings in sets.values()]
    assert not (patients[0] & patients[1] or patients[0] & patients[2] or patients[1] & patients[2])
    assert [len(recordings.x) for recordings in sets.values()] == [1442, 183, 400]


@needs_data
@pytest.mark.parametrize(
    ("label", "leads", "least"),
    [
        ("fold9", "12 leads", 0.92),
        ("unseen", "12 leads", 0.87),
        ("fold9", "lead I", 0.85),
        ("unseen", "lead I", 0.80),
    ],
)
def test_label_names_as_queries_find_the_superclasses(sets, label, leads, least):
    model, recordings = DefaultModel.load(), sets[label]
    vectors = embeddings(model, recordings, LEAD_SETS[leads])
    scores = zero_shot(model, vectors, [name(concept) for concept in SUPERCLASSES])
    assert macro(recordings.targets(SUPERCLASSES), scores) > least


@needs_data
def test_it_beats_a_ridge_on_spectra(sets):
    from medpipe.core.ecg.baselines import fitted, spectra

    model, present = DefaultModel.load(), LEAD_SETS["12 leads"]
    ridge = fitted(spectra, sets["train"], present)
    for label in ("fold9", "unseen"):
        truth = sets[label].targets(SUPERCLASSES)
        vectors = embeddings(model, sets[label], present)
        own = macro(truth, zero_shot(model, vectors, [name(concept) for concept in SUPERCLASSES]))
        assert own > macro(truth, ridge(sets[label])) + 0.02


@needs_data
def test_synonyms_score_as_the_label_does(sets):
    both, model = pooled([sets["fold9"], sets["unseen"]]), DefaultModel.load()
    changes = synonym_changes(model, embeddings(model, both, LEAD_SETS["12 leads"]), both, SYNONYMS)
    assert len(changes) == 96
    assert np.median([abs(own - other) for *_, own, other in changes]) <= 0.03


def test_auroc_counts_ties_as_half_and_leaves_out_the_unknown():
    assert auroc(np.array([0, 1, 0, 1.0]), np.array([0.1, 0.2, 0.2, 0.9])) == pytest.approx(3.5 / 4)
    assert auroc(np.array([0, 1, np.nan]), np.array([0.1, 0.2, 0.0])) == 1
    assert np.isnan(auroc(np.ones(3), np.arange(3.0)))


def test_the_interval_covers_the_value_and_follows_the_seed():
    generator = np.random.default_rng(0)
    truth = (generator.random((60, 2)) < 0.4).astype(float)
    scores, patients = truth + generator.normal(size=truth.shape), np.arange(60) // 2
    low, high = interval(truth, scores, patients, 100, 1)
    assert low < macro(truth, scores) < high
    assert (low, high) == interval(truth, scores, patients, 100, 1)


def test_perfect_probabilities_have_no_calibration_error():
    truth = np.array([[0.0], [1.0]])
    assert calibration(truth, truth) == (0, 0)

"""The ten-fold evaluation: patients stay together, what is kept out is kept out whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medpipe.core.ecg.concept_objective import Plan
from medpipe.core.ecg.fit import fit, predict
from medpipe.core.ecg.phrases import name, taught
from medpipe.core.ecg.ptbxl import CONCEPTS, Recordings
from medpipe.core.ecg.query_shares import zero_shot
from medpipe.core.ecg.tenfold import Variant, fold_of, gathered, learnt_from
from medpipe.core.ecg.unseen_names import GROUPS, hidden_phrases, kept_out, without_labels

PLACE = {concept: place for place, concept in enumerate(CONCEPTS)}


def recordings(count: int = 60) -> Recordings:
    rng = np.random.default_rng(0)
    labels = tuple({"CLBBB": k % 4 == 0, "CD": k % 2 == 0, "BBB": k % 2 == 0, "MI": k % 3 == 0} for k in range(count))
    x = rng.normal(size=(count, 12, 1000)).astype(np.float32)
    return Recordings(x, np.arange(count) // 2, np.zeros(count, np.int64), labels)


def test_a_patient_is_in_one_fold() -> None:
    folds = fold_of(recordings())
    assert set(folds) == set(range(10)) and (folds[::2] == folds[1::2]).all()


def test_a_share_of_the_patients_is_learnt_from_and_none_of_the_fold() -> None:
    everyone = recordings(200)
    whole, half = (learnt_from(everyone, 3, Variant(folds=5, share=share)) for share in (1.0, 0.5))
    np.testing.assert_array_equal(whole, fold_of(everyone, 5) != 3)
    assert half.sum() * 2 == whole.sum() and not (half & ~whole).any() and (half[::2] == half[1::2]).all()


def test_a_name_that_is_kept_out_teaches_nothing_in_any_label() -> None:
    table = without_labels(recordings().targets(), ("CLBBB",))
    assert np.isnan(table[:, [PLACE["CLBBB"], PLACE["BBB"], PLACE["LBBB"]]]).all()
    holds = np.arange(60) % 4 == 0
    assert np.isnan(table[holds, PLACE["CD"]]).all() and not np.isnan(table[~holds, PLACE["CD"]]).any()


@pytest.mark.parametrize("group", GROUPS)
def test_a_name_that_is_kept_out_is_in_no_phrase(group: tuple[str, ...]) -> None:
    hidden, gone = hidden_phrases(group), {*kept_out(group)}
    seen = [(phrase, shares) for (phrase, shares), away in zip(taught(), hidden, strict=True) if not away]
    assert hidden.any() and not any(gone & set(shares) for _, shares in seen)
    words = [f" {name(one).lower()} " for one in group]
    assert not any(word in f" {phrase.lower()} " for phrase, _ in seen for word in words)


def test_a_phrase_of_another_condition_that_says_the_name_is_hidden() -> None:
    gone = dict(zip((phrase for phrase, _ in taught()), hidden_phrases(("QWAVE",)), strict=True))
    assert gone["Q waves in II, III and aVF"] and not gone["inferior myocardial infarction"]


def test_logits_come_back_in_the_order_of_the_recordings(tmp_path) -> None:
    whole = np.random.default_rng(0).normal(size=(3, 10, len(CONCEPTS))).astype(np.float32)
    for fold in range(2):
        rows = np.arange(fold, 10, 2)
        np.savez(tmp_path / f"{fold}.npz", logits=whole[:, rows], rows=rows)
    np.testing.assert_array_equal(gathered([tmp_path / "0.npz", tmp_path / "1.npz"], 10), whole)


def test_a_score_is_the_share_weighted_mean_of_logits() -> None:
    logits = np.zeros((1, len(CONCEPTS)), np.float32)
    logits[0, 3] = 2.0
    shares = np.zeros((1, len(CONCEPTS) + 1), np.float32)
    shares[0, 3], shares[0, -1] = 0.75, 0.25
    assert zero_shot(logits, shares)[0, 0] == 0.75 * 2.0 - 0.25 * 5.0


def test_training_without_masks_sees_every_lead(tmp_path) -> None:
    x = torch.randn(8, 12, 400)
    plan = Plan(concepts=6, epochs=1, batch=4, widths=(8, 8), dim=8, lead_masking=False)
    network = fit(x, torch.randint(0, 2, (8, 6)).float(), plan, tmp_path, lambda line: None)
    assert predict(network, x).shape == (8, 6)

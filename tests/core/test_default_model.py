import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from medpipe.core.ecg.default_model import DESCRIPTION, FOLDER, MODEL_FILES, NETWORK, TEXT, DefaultModel
from medpipe.core.errors import InputError, ModelError

QUERIES = ["atrial fibrillation", "normal ECG", "left bundle branch block"]


@pytest.fixture(scope="module")
def model():
    return DefaultModel.load()


@pytest.fixture(scope="module")
def windows(model):
    """Four windows of noise with a beat, of different leads each."""
    generator = np.random.default_rng(0)
    x = np.zeros((4, 12, 1000), np.float32)
    present = generator.random((4, 12)) < 0.5
    present[0], present[1, 0] = True, True
    for row, mask in enumerate(present):
        names = [lead for lead, there in zip(model.leads, mask, strict=True) if there]
        signal = generator.normal(size=(len(names), 5000)).astype(np.float32)
        signal[:, ::400] += 8
        x[row], _ = model.prepare(signal, 500.0, names)
    return x, present


def test_absent_leads_do_not_reach_the_result(model, windows):
    x, present = windows
    spoilt = x.copy()
    spoilt[~present] = np.random.default_rng(1).normal(size=(int((~present).sum()), 1000)) * 50
    spoilt[~present, :3] = np.nan
    np.testing.assert_array_equal(model.encode(x, present), model.encode(spoilt, present))
    for clean, dirty in zip(model.tokens(x, present), model.tokens(spoilt, present), strict=True):
        np.testing.assert_array_equal(clean, dirty)


def test_leads_permuted_with_their_names_give_the_same_window(model):
    signal = np.random.default_rng(2).normal(size=(12, 2500)).astype(np.float32)
    order = np.random.default_rng(3).permutation(12)
    x, _ = model.prepare(signal, 250.0, model.leads)
    shuffled, _ = model.prepare(signal[order], 250.0, [model.leads[k] for k in order])
    np.testing.assert_array_equal(x, shuffled)


def test_a_subset_of_leads_equals_the_full_array_with_a_mask(model):
    signal = np.random.default_rng(4).normal(size=(12, 1000)).astype(np.float32)
    full, _ = model.prepare(signal, 100.0, model.leads)
    part, present = model.prepare(signal[[1, 7]], 100.0, ["II", "V2"])
    np.testing.assert_allclose(
        model.encode(full[None], present[None]), model.encode(part[None], present[None]), atol=1e-5
    )


def test_a_record_does_not_depend_on_its_neighbours(model, windows):
    x, present = windows
    together = model.encode(x, present)
    for row in range(len(x)):
        np.testing.assert_array_equal(together[row], model.encode(x[row : row + 1], present[row : row + 1])[0])


def test_runs_agree_to_the_last_bit(model, windows):
    x, present = windows
    np.testing.assert_array_equal(model.encode(x, present), DefaultModel.load().encode(x, present))


def test_no_windows_give_no_embeddings(model):
    assert model.encode(np.zeros((0, 12, 1000), np.float32), np.zeros((0, 12), bool)).shape == (0, model.dim)


def test_flat_leads_give_finite_results(model):
    x, present = model.prepare(np.zeros((12, 1000), np.float32), 100.0, model.leads)
    assert present.all()
    assert np.isfinite(model.encode(x[None], present[None])).all()


def test_a_flat_lead_counts_as_absent(model):
    signal = np.random.default_rng(5).normal(size=(2, 1000)).astype(np.float32)
    signal[1] = 3.25
    both = model.prepare(signal, 100.0, ["I", "V6"])
    alone = model.prepare(signal[:1], 100.0, ["I"])
    np.testing.assert_array_equal(
        model.encode(both[0][None], both[1][None]), model.encode(alone[0][None], alone[1][None])
    )


def test_tokens_have_places_and_stop_at_the_padding(model):
    whole, present = model.prepare(np.random.default_rng(6).normal(size=(1, 1000)).astype(np.float32), 100.0, ["II"])
    short, _ = model.prepare(np.random.default_rng(6).normal(size=(1, 300)).astype(np.float32), 100.0, ["II"])
    long_tokens, short_tokens = model.tokens(np.stack([whole, short]), np.stack([present, present]))
    places = model.token_places(present)
    assert len(long_tokens) == len(places) and places[0] == (None, 0)
    assert 0 < len(short_tokens) < len(long_tokens) / 2


def test_scores_are_probabilities_and_depend_on_no_other_query(model, windows):
    embedding = model.encode(*windows)[0]
    scores = model.scorer(QUERIES).score(embedding)
    assert scores.dtype == np.float32 and ((scores > 0) & (scores < 1)).all()
    for query, score in zip(QUERIES, scores, strict=True):
        assert model.scorer([query]).score(embedding)[0] == score


def test_the_mean_embedding_scores_the_mean_logit(model, windows):
    embeddings = model.encode(*windows)
    scorer = model.scorer(QUERIES)
    logits = [np.log(score / (1 - score)) for score in (scorer.score(vector).astype(float) for vector in embeddings)]
    mean = scorer.score(embeddings.mean(axis=0)).astype(float)
    np.testing.assert_allclose(np.log(mean / (1 - mean)), np.mean(logits, axis=0), atol=1e-4)


def test_any_text_is_a_query(model, windows):
    queries = ["Qu'est-ce que c'est ?", "心房颤动", "x" * 500, "the " * 400, "zxqvw-17", "\N{HEAVY BLACK HEART}"]
    scores = model.scorer(queries).score(model.encode(*windows)[0])
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(model, query):
    with pytest.raises(InputError) as caught:
        model.scorer(["normal ECG", query])
    assert caught.value.kind == "empty-query"


def test_an_embedding_of_another_space_is_refused(model):
    scorer = model.scorer(["normal ECG"])
    with pytest.raises(InputError):
        scorer.score(np.zeros(model.dim + 1, np.float32))
    with pytest.raises(InputError):
        scorer.score(np.zeros(model.dim, np.float32), pooling="max")


def test_nothing_heavy_is_imported():
    code = """
import sys, numpy as np
from medpipe.core.ecg.default_model import DefaultModel
model = DefaultModel.load()
x, present = model.prepare(np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32), 500.0, model.leads)
model.scorer(["normal ECG"]).score(model.encode(x[None], present[None])[0])
heavy = {"torch", "scipy", "pandas", "transformers", "onnx", "sklearn"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_files_fit_the_budget_and_their_description():
    shipped = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in shipped) <= 12_000_000
    description = json.loads((FOLDER / DESCRIPTION).read_text(encoding="utf-8"))
    assert set(description["files"]) == set(MODEL_FILES)
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert description["sha256"][:12] in card and "CC BY 4.0" in card and "not a medical device" in card.lower()


@pytest.fixture
def copied(tmp_path):
    for path in FOLDER.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [NETWORK, TEXT, DESCRIPTION])
def test_a_missing_file_is_said(copied, name):
    (copied / name).unlink()
    with pytest.raises(ModelError) as caught:
        DefaultModel.load(copied)
    assert caught.value.unavailable and name in str(caught.value)


def test_a_flipped_byte_in_the_network_is_found(copied):
    _flip(copied / NETWORK)
    with pytest.raises(ModelError, match=NETWORK):
        DefaultModel.load(copied)


def test_a_flipped_byte_in_the_text_tower_is_found_before_it_scores(copied):
    _flip(copied / TEXT)
    model = DefaultModel.load(copied)
    with pytest.raises(ModelError, match=TEXT):
        model.scorer(["normal ECG"])


def test_a_truncated_file_is_found_at_once(copied):
    content = (copied / TEXT).read_bytes()
    (copied / TEXT).write_bytes(content[:-1])
    with pytest.raises(ModelError, match=TEXT):
        DefaultModel.load(copied)


def test_a_description_that_was_edited_is_found(copied):
    path = copied / DESCRIPTION
    path.write_text(path.read_text().replace('"dim"', '"dims"'))
    with pytest.raises(ModelError):
        DefaultModel.load(copied)
    path.write_text("[]")
    with pytest.raises(ModelError):
        DefaultModel.load(copied)


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))

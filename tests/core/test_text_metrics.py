"""Metrics of text: values worked by hand, those of jiwer and sacrebleu, closed forms, pairs in bulk as one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.core.metrics.rank_accuracy import rank_accuracy
from medpipe.core.metrics.text.bag_of_words import cosines
from medpipe.core.metrics.text.bleu import Bleu1
from medpipe.core.metrics.text.identification import Identification, top_share
from medpipe.core.metrics.text.meteor import Meteor, Synonymy
from medpipe.core.metrics.text.metric import Truncated
from medpipe.core.metrics.text.porter import porter_stem
from medpipe.core.metrics.text.word_error import WordErrorRate
from medpipe.core.metrics.text.words import Text, split_text

FOUND = "he purchased an automobile for his child"
TRUE = "he bought a car for his kid"
METRICS = [WordErrorRate(), Bleu1(), Meteor()]
WORDS = st.lists(st.sampled_from(["go", "goes", "going", "the", "a", "house"]), max_size=9)
TEXTS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5)


def one(metric, found: str, true: str) -> float:
    (values,) = metric.paired([split_text(found)], [split_text(true)]).values()
    return float(values[0])


def texts(sides: list[tuple[list[str], list[str]]]) -> tuple[list[Text], list[Text]]:
    return tuple([split_text(" ".join(pair[side])) for pair in sides] for side in (0, 1))


def test_words_are_lower_case_without_punctuation() -> None:
    assert split_text("The Dog\u2019s bone -- 3.5 o'clock, $ 'yes'").words == (
        "the", "dog's", "bone", "3", "5", "o'clock", "yes",
    )  # fmt: skip
    assert split_text(" A  b.\n", "whitespace").words == ("A", "b.") and split_text("... !").words == ()


def test_values_worked_by_hand() -> None:
    # Four of seven words are others.
    assert one(METRICS[0], FOUND, TRUE) == pytest.approx(4 / 7)
    assert one(METRICS[0], "a b c d", "a") == pytest.approx(3)
    assert one(METRICS[1], FOUND, TRUE) == pytest.approx(3 / 7)
    # Two of three words, one of them counted once, in a text shorter by two.
    assert one(METRICS[1], "the the cat", "the cat sat on mats") == pytest.approx(2 / 3 * math.exp(1 - 5 / 3))
    # Three words in two runs: 3/7 (1 - (2/3)^3 / 2).
    assert one(METRICS[2], FOUND, TRUE) == pytest.approx(0.3651, abs=1e-4)
    # Stems meet: "walks" and "walking"; one run of two.
    assert one(METRICS[2], "he walks", "he walking") == pytest.approx(1 - 0.5 / 8)


@pytest.mark.parametrize("metric", METRICS)
def test_empty_texts_agree_with_empty_texts_alone(metric) -> None:
    none, some = Text("", ()), split_text("a house")
    agree = 0 if isinstance(metric, WordErrorRate) else 1
    found, true = [none, none, some], [none, some, none]
    (values,) = metric.paired(found, true).values()
    assert values.tolist() == [agree, 1 - agree, 1 - agree]
    (crossed,) = metric.crossed(found, true).values()
    assert np.diagonal(crossed).tolist() == values.tolist()


@settings(deadline=None)
@given(TEXTS)
def test_pairs_in_bulk_score_as_one_by_one(sides) -> None:
    found, true = texts(sides)
    for metric in [*METRICS, *map(Truncated, METRICS)]:
        for name, crossed in metric.crossed(found, true).items():
            for k in range(len(found)):
                paired = metric.paired([found[k]] * len(true), true)[name]
                assert crossed[k] == pytest.approx(paired, abs=1e-12), name


@settings(deadline=None)
@given(TEXTS)
def test_values_are_the_libraries(sides) -> None:
    jiwer, sacrebleu = pytest.importorskip("jiwer"), pytest.importorskip("sacrebleu")
    for found, true in zip(*texts(sides), strict=True):
        if not found.words or not true.words:
            continue
        assert one(METRICS[0], found.raw, true.raw) == jiwer.wer(true.raw, found.raw)
        bleu = sacrebleu.sentence_bleu(found.raw, [true.raw], use_effective_order=True, tokenize="none")
        expected = bleu.precisions[0] / 100 * bleu.bp if bleu.counts[0] else 0
        assert one(METRICS[1], found.raw, true.raw) == pytest.approx(expected)


@settings(deadline=None)
@given(WORDS.filter(bool))
def test_a_text_agrees_with_itself(words: list[str]) -> None:
    text = " ".join(words)
    assert one(METRICS[0], text, text) == 0 and one(METRICS[1], text, text) == pytest.approx(1)
    assert one(METRICS[2], text, text) == pytest.approx(1 - 0.5 / len(words) ** 3)


def test_texts_are_cut_to_the_length_of_what_they_meet() -> None:
    true = [split_text("a b"), split_text("a b c")]
    found = [split_text("a b c d"), split_text("a b c d")]
    assert Truncated(METRICS[0]).paired(found, true)["wer_truncated"].tolist() == [0, 0]
    assert Truncated(METRICS[0]).crossed(found, true)["wer_truncated"].tolist() == [[0, 0], [0, 0]]


def test_stems_are_porters() -> None:
    pairs = {
        "caresses": "caress", "ponies": "poni", "agreed": "agre", "plastered": "plaster", "motoring": "motor",
        "hopping": "hop", "falling": "fall", "filing": "file", "happy": "happi", "sky": "sky", "relational": "relat",
        "vietnamization": "vietnam", "sensibiliti": "sensibl", "triplicate": "triplic", "adoption": "adopt",
        "replacement": "replac", "probate": "probat", "rate": "rate", "cease": "ceas", "controll": "control",
        "generalizations": "gener", "oscillators": "oscil", "is": "is", "": "",
    }  # fmt: skip
    assert {word: porter_stem(word) for word in pairs} == pairs


def test_synonyms_have_a_name_of_their_own() -> None:
    meant = {"child": frozenset({"child", "kid"}), "automobil": frozenset({"automobil"})}
    metric = Meteor(Synonymy(porter_stem, lambda stem: meant.get(stem, frozenset({stem}))))
    made = metric.paired([split_text(FOUND)], [split_text(TRUE)])
    # "child" meets "kid": four words in two runs.
    assert list(made) == ["meteor_wordnet"] and made["meteor_wordnet"][0] == pytest.approx(4 / 7 * (1 - 0.5 / 8))


def test_wordnet_is_as_nltk_has_it() -> None:
    pytest.importorskip("nltk")
    from medpipe.core.errors import ModelError
    from medpipe.core.metrics.text.wordnet import open_wordnet

    try:
        metric = Meteor(open_wordnet())
    except ModelError:
        pytest.skip("nltk has no WordNet here")
    assert one(metric, FOUND, TRUE) == pytest.approx(0.5357, abs=1e-4)


def test_a_perfect_decoder_identifies_every_window_and_a_constant_one_none() -> None:
    true = [split_text(f"w{k} w{k + 1} the") for k in range(9)]
    metric = Identification(cosines)
    perfect = metric.paired(true, true)
    assert perfect["identification"].tolist() == [1] * 9 and perfect["identification_top1"].tolist() == [1] * 9
    for constant in ("w3 the", "", "nothing of it"):
        made = metric.paired([split_text(constant)] * 9, true)
        assert made["identification"].mean() == pytest.approx(0.5)
        assert made["identification_top1"].mean() == pytest.approx(1 / 9)


def test_in_a_story_of_one_window_nothing_is_identified() -> None:
    made = Identification(cosines).paired([split_text("a")], [split_text("a")])
    assert np.isnan(made["identification"]).all() and np.isnan(made["identification_top1"]).all()


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=4))
def test_ranks_are_shares_of_pairs(rows: list[list[int]]) -> None:
    alike = np.array(rows, float)
    accuracy, top = rank_accuracy(alike), top_share(alike)
    for row, values in enumerate(alike):
        for k, value in enumerate(values):
            others = np.delete(values, k)
            assert accuracy[row, k] == pytest.approx(((others < value) + 0.5 * (others == value)).mean())
    assert top.sum(axis=1) == pytest.approx(1) and accuracy.mean(axis=1) == pytest.approx(0.5)

import csv
from pathlib import Path

from medpipe.core.ecg import phrases
from medpipe.core.ecg.ptbxl import CONCEPTS

SYNONYMS = Path(__file__).parents[1] / "data" / "synonyms.tsv"


def test_no_held_out_synonym_occurs_in_a_training_text():
    with SYNONYMS.open(encoding="utf-8", newline="") as lines:
        held_out = [row["synonym"].casefold() for row in csv.DictReader(lines, delimiter="\t")]
    assert len(held_out) == 96
    texts = [text.casefold() for text in phrases.training_texts()]
    assert [(synonym, text) for text in texts for synonym in held_out if synonym in text] == []


def test_every_concept_has_phrases_and_no_phrase_means_two_things():
    assert set(phrases.PHRASES) == set(CONCEPTS)
    taught = [phrase.casefold() for phrase, _ in phrases.taught()]
    assert len(taught) == len(set(taught))


def test_shares_name_known_concepts_and_add_up():
    for phrase, shares in phrases.taught():
        assert set(shares) <= set(CONCEPTS), phrase
        assert not shares or abs(sum(shares.values()) - 1) < 1e-9, phrase

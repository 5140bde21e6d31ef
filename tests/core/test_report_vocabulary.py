"""Vocabularies of entities, and targets made with them."""

from __future__ import annotations

import numpy as np

from medpipe.core.ecg.reports.vocabulary import Counts, cut, digest, merge, multi_hot


def counted(*reports: dict[str, str]) -> Counts:
    counts = Counts()
    for report in reports:
        counts.add([{"name": name, "status": status} for name, status in report.items()])
    return counts


def embed(names):
    """Every name has the same vector: only the rules keep names apart."""
    return np.ones((len(names), 1), np.float32)


def test_counts_go_by_status_and_the_frequent_come_first() -> None:
    terms = counted({"b": "present", "a": "absent"}, {"b": "present", "a": "uncertain"}, {"a": "present"}).terms()
    assert [(one.name, one.present, one.uncertain, one.absent) for one in terms] == [("b", 2, 0, 0), ("a", 1, 1, 1)]
    assert [one.name for one in cut(terms, 2, None)] == ["b"] and len(cut(terms, 1, 1)) == 1


def test_near_names_become_the_more_frequent_one() -> None:
    counts = counted({"old scar": "present"}, {"old scar": "present"}, {"scar, old": "absent"})
    (one,) = merge(counts.terms(), embed, 0.9)
    assert one.name == "old scar" and one.present == 2 and one.absent == 1 and one.merged == {"scar, old": 1}


def test_a_report_with_both_of_two_merged_names_counts_once() -> None:
    counts = counted({"old scar": "present", "scar, old": "present"}, {"old scar": "absent", "scar, old": "present"})
    (one,) = counts.once(merge(counts.terms(), embed, 0.9))
    assert (one.present, one.uncertain, one.absent) == (2, 0, 0) and cut([one], 3, None) == []


def test_opposites_and_coded_names_are_never_merged() -> None:
    names = ["left bundle branch block", "LBBB left", "right block", "sinus bradycardia", "tachycardia of the sinus"]
    kept = [one.name for one in merge(counted(dict.fromkeys(names, "present")).terms(), embed, 0.9)]
    assert set(names) - set(kept) == {"LBBB left"}
    both = counted({"left bundle branch block": "present", "complete left bundle branch block": "present"}).terms()
    assert len(merge(both, embed, 0.9)) == 2


def test_targets_hold_claims_denials_and_doubts() -> None:
    places = {"a": 0, "b": 1, "c": 2, "also a": 0}
    entities = [{"name": "a", "status": "absent"}, {"name": "also a", "status": "present"},
                {"name": "b", "status": "uncertain"}, {"name": "unknown name", "status": "present"}]  # fmt: skip
    assert multi_hot(entities, places, 3, -1).tolist() == [1, -1, 0]
    assert multi_hot(entities[::-1], places, 3, 1).tolist() == [1, 1, 0]


def test_the_digest_tells_orders_apart() -> None:
    assert digest(["a", "b"]) != digest(["b", "a"]) and len(digest([])) == 12

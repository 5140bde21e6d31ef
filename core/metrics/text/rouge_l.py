"""ROUGE-L (Lin 2004): how much of two texts is common in order."""

from __future__ import annotations

from collections.abc import Sequence


def rouge_l(found: Sequence[str], true: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words; 1 for two empty texts, 0 where one is empty."""
    if not found or not true:
        return float(not found and not true)
    row = [0] * (len(true) + 1)
    for word in found:
        before = row
        row = [0]
        for place, other in enumerate(true):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[place]))
    return 2 * row[-1] / (len(found) + len(true))

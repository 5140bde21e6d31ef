"""Boxes found and boxes that are there, image by image: what every metric of boxes is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageBoxes:
    """The boxes of one image.

    Attributes:
        found: [n, 4] as x, y, x, y, with `labels` [n] and `scores` [n].
        there: [m, 4], with `truth` [m], their labels.
        asked: labels that were looked for, present or not.
    """

    found: Boxes
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    there: Boxes
    truth: NDArray[np.int64]
    asked: frozenset[int]

    def of(self, label: int) -> Self:
        """Those of one label."""
        mine, theirs = self.labels == label, self.truth == label
        return type(self)(
            self.found[mine], self.labels[mine], self.scores[mine], self.there[theirs], self.truth[theirs],
            self.asked & {label},
        )  # fmt: skip

    def present_only(self) -> Self:
        """Without what was found of labels that are not there: as papers score that ask only for what is."""
        kept = np.isin(self.labels, self.truth)
        return type(self)(
            self.found[kept], self.labels[kept], self.scores[kept], self.there, self.truth,
            self.asked & frozenset(self.truth.tolist()),
        )  # fmt: skip


def label_numbers(names: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Places of labels in the list of all names."""
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[label] for label in labels], np.int64)

"""A story scored once: every window with its own truth, and with others' for the nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.core.metrics.text.means import mean
from medpipe.core.metrics.text.metric import Array, Scores, TextMetric
from medpipe.core.metrics.text.pairings import PairedAnew, Pairing, pair_anew
from medpipe.core.metrics.text.words import Texts


@dataclass(frozen=True, slots=True)
class Story:
    """The windows of a story in the order of time.

    Attributes:
        name: of the story.
        true: what was there.
        found: what each stream decoded: one, or two whose difference is asked for.
        nulls: by name, what others decoded.
        times: [windows]; None where nobody knows, and nothing can be paired anew.
    """

    name: str
    true: Texts
    found: Sequence[Texts]
    nulls: Mapping[str, Sequence[Texts]]
    times: Array | None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How nulls and intervals are drawn; `least` in the unit of the windows' times, `block` in windows."""

    permutations: int = 9999
    least: float = 30.0
    block: int | None = None
    draws: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ScoredStory:
    """Scores of each window [windows] by stream and of each null's streams, and means of windows paired anew."""

    story: Story
    values: list[Scores]
    nulls: dict[str, list[Scores]]
    pairing: Pairing | None
    anew: PairedAnew

    @property
    def windows(self) -> int:
        """How many."""
        return len(self.story.true)

    def observed(self, metric: str) -> float:
        """The mean over windows, or the difference of the two streams' means."""
        first, *second = (mean(side[metric]) for side in self.values)
        return first - second[0] if second else first

    def blocks(self) -> list[str]:
        """Of each window the name of its block."""
        block = self.pairing.block if self.pairing else 1
        return [f"{self.story.name} {place // block}" for place in range(self.windows)]


def score_story(story: Story, metrics: Sequence[TextMetric], sampling: Sampling, place: int) -> ScoredStory:
    """Every number that rows are made of; `place` among the stories keeps their shuffles apart."""

    def paired(found: Texts) -> Scores:
        return {name: one for metric in metrics for name, one in metric.paired(found, story.true).items()}

    values = [paired(found) for found in story.found]
    nulls = {name: [paired(found) for found in several] for name, several in story.nulls.items()}
    if story.times is None or not sampling.permutations:
        return ScoredStory(story, values, nulls, None, PairedAnew({}, {}))
    pairing = Pairing.of(story.times, sampling.least, sampling.block)
    anew = pair_anew(_crossed(story, metrics, values), pairing, sampling.permutations, (sampling.seed, place))
    return ScoredStory(story, values, nulls, pairing, anew)


def _crossed(story: Story, metrics: Sequence[TextMetric], values: list[Scores]) -> Scores:
    """Scores of every pair, or their differences; on the diagonal those of each window itself."""
    sides = []
    for found, own in zip(story.found, values, strict=True):
        side = {name: scores for metric in metrics for name, scores in metric.crossed(found, story.true).items()}
        for name, scores in side.items():
            np.fill_diagonal(scores, own[name])
        sides.append(side)
    return sides[0] if len(sides) == 1 else {name: sides[0][name] - sides[1][name] for name in sides[0]}

"""What each null says of each metric, of one story or over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medpipe.core.metrics.text.means import combined_means, mean
from medpipe.core.metrics.text.metric import Array, Scores
from medpipe.core.metrics.text.null_tests import combine_shifts, judge
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory

Judged = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Null:
    """What a null is, and by metric its scores [n]; `moved` [m] are those of shifts that leave no story as it is."""

    facts: dict[str, Any]
    scores: Scores
    moved: Scores = field(default_factory=dict)

    def judge(self, metric: str, observed: float) -> dict[str, Any] | None:
        """See null_tests.judge."""
        return judge(metric, observed, self.scores[metric], self.moved.get(metric))


def judge_nulls(scored: Sequence[ScoredStory], observed: Mapping[str, float], sampling: Sampling) -> Judged:
    """By null what it is, how many it has, and by metric what `judge` says; none of a kind that no story has."""
    said: Judged = {}
    for name, null in draw_nulls(scored, list(observed), sampling).items():
        said[name] = null.facts | {metric: null.judge(metric, value) for metric, value in observed.items()}
    return said


def draw_nulls(scored: Sequence[ScoredStory], metrics: Sequence[str], sampling: Sampling) -> dict[str, Null]:
    """The scores over all stories under each null, by its name; none of a kind that no story has."""
    drawn: dict[str, Null] = {}
    if any(one.anew.shift for one in scored):
        drawn["shift"] = _shifts(scored, metrics, sampling)
    if any(one.anew.shuffle for one in scored):
        block = max(one.pairing.block for one in scored if one.pairing)
        shuffled = {metric: _combined(scored, [_shuffled(one, metric) for one in scored]) for metric in metrics}
        drawn["shuffle"] = Null({"n": sampling.permutations, "block": block}, shuffled)
    return drawn | {name: _streams(name, scored, metrics) for name in scored[0].nulls}


def _shifts(scored: Sequence[ScoredStory], metrics: Sequence[str], sampling: Sampling) -> Null:
    """Every story takes any of its far shifts or, the last of its choices, stays as it is.

    Were none to stay, what was observed would be no member of its own null, and p over several stories too small.
    """
    counts = [len(one.pairing.shifts) if one.anew.shift and one.pairing else 0 for one in scored]
    taken = combine_shifts([count + 1 for count in counts], sampling.permutations, sampling.seed)
    taken = taken[(taken < counts).any(axis=1)]
    moved = combine_shifts([max(1, count) for count in counts], sampling.permutations, sampling.seed)
    made = Null({"least": sampling.least, "n": len(taken)}, {})
    for metric in metrics:
        means = [np.append(one.anew.shift.get(metric, []), one.observed(metric)) for one in scored]
        for scores, at in ((made.scores, taken), (made.moved, moved)):
            scores[metric] = _combined(scored, [each[at[:, k]] for k, each in enumerate(means)])
    return made


def _shuffled(one: ScoredStory, metric: str) -> Array:
    """Of a story the means of its shuffles; a single one, as it is, where it has none."""
    return one.anew.shuffle[metric] if one.anew.shuffle else np.array([one.observed(metric)])


def _combined(scored: Sequence[ScoredStory], parts: Sequence[Array]) -> Array:
    longest = max(map(len, parts))
    return combined_means([np.broadcast_to(part, longest) for part in parts], [one.windows for one in scored])


def _streams(name: str, scored: Sequence[ScoredStory], metrics: Sequence[str]) -> Null:
    """Of what others decoded of the same windows."""
    streams = range(len(scored[0].nulls[name]))
    found = sum(len(text.words) for one in scored for texts in one.story.nulls[name] for text in texts)
    true = sum(len(text.words) for one in scored for text in one.story.true) * len(streams)
    made = Null({"n": len(streams), "length_ratio": found / true if true else None}, {})
    for metric in metrics:
        values = [np.concatenate([one.nulls[name][k][metric] for one in scored]) for k in streams]
        made.scores[metric] = np.array([mean(each) for each in values])
    return made

"""What each null says of each metric, of one story or over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medpipe.core.metrics.text.means import combined_means, mean
from medpipe.core.metrics.text.metric import Array
from medpipe.core.metrics.text.null_tests import combine_shifts, judge
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory

Judged = dict[str, dict[str, Any]]


def judge_nulls(scored: Sequence[ScoredStory], observed: Mapping[str, float], sampling: Sampling) -> Judged:
    """By null what it is, how many it has, and by metric what `judge` says; none of a kind that no story has."""
    said: Judged = {}
    if any(one.anew.shift for one in scored):
        said["shift"] = {"least": sampling.least} | _judge_shifts(scored, observed, sampling)
    if any(one.anew.shuffle for one in scored):
        said["shuffle"] = {"n": sampling.permutations}
        said["shuffle"]["block"] = max(one.pairing.block for one in scored if one.pairing)
        for metric, value in observed.items():
            said["shuffle"][metric] = judge(
                metric, value, _combined(scored, [_shuffled(one, metric) for one in scored])
            )
    return said | {name: _judge_streams(name, scored, observed) for name in scored[0].nulls}


def _judge_shifts(scored: Sequence[ScoredStory], observed: Mapping[str, float], sampling: Sampling) -> dict[str, Any]:
    """Every story takes any of its far shifts or, the last of its choices, stays as it is.

    Were none to stay, what was observed would be no member of its own null, and p over several stories too small.
    """
    counts = [len(one.pairing.shifts) if one.anew.shift and one.pairing else 0 for one in scored]
    taken = combine_shifts([count + 1 for count in counts], sampling.permutations, sampling.seed)
    taken = taken[(taken < counts).any(axis=1)]
    moved = combine_shifts([max(1, count) for count in counts], sampling.permutations, sampling.seed)
    made: dict[str, Any] = {"n": len(taken)}
    for metric, value in observed.items():
        means = [np.append(one.anew.shift.get(metric, []), one.observed(metric)) for one in scored]
        null, spread = (_combined(scored, [each[at[:, k]] for k, each in enumerate(means)]) for at in (taken, moved))
        made[metric] = judge(metric, value, null, spread)
    return made


def _shuffled(one: ScoredStory, metric: str) -> Array:
    """Of a story the means of its shuffles; a single one, as it is, where it has none."""
    return one.anew.shuffle[metric] if one.anew.shuffle else np.array([one.observed(metric)])


def _combined(scored: Sequence[ScoredStory], parts: Sequence[Array]) -> Array:
    longest = max(map(len, parts))
    return combined_means([np.broadcast_to(part, longest) for part in parts], [one.windows for one in scored])


def _judge_streams(name: str, scored: Sequence[ScoredStory], observed: Mapping[str, float]) -> dict[str, Any]:
    """Of what others decoded of the same windows."""
    streams = range(len(scored[0].nulls[name]))
    found = sum(len(text.words) for one in scored for texts in one.story.nulls[name] for text in texts)
    true = sum(len(text.words) for one in scored for text in one.story.true) * len(streams)
    made: dict[str, Any] = {"n": len(streams), "length_ratio": found / true if true else None}
    for metric, value in observed.items():
        null: Array = np.array([mean(np.concatenate([one.nulls[name][k][metric] for one in scored])) for k in streams])
        made[metric] = judge(metric, value, null)
    return made

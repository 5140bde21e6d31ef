"""What each null says of each metric, of one story or over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.metrics.text.means import combined_means, mean
from medpipe.core.metrics.text.metric import Array, Scores
from medpipe.core.metrics.text.null_tests import combine_shifts, judge
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory

Judged = dict[str, dict[str, Any]]


def judge_nulls(scored: Sequence[ScoredStory], observed: Mapping[str, float], sampling: Sampling) -> Judged:
    """By null what it is, how many it has, and by metric what `judge` says; none of a kind that no story has."""
    said: Judged = {}
    windows = [one.windows for one in scored]
    if any(one.anew.shift for one in scored):
        taken = combine_shifts([_count(one.anew.shift) for one in scored], sampling.permutations, sampling.seed)
        shifts = [(one, one.anew.shift, taken[:, place]) for place, one in enumerate(scored)]
        said["shift"] = {"least": sampling.least} | _judged(observed, shifts, windows)
    if any(one.anew.shuffle for one in scored):
        every = np.arange(sampling.permutations)
        shuffled = [(one, one.anew.shuffle, every) for one in scored]
        said["shuffle"] = {"block": max(one.pairing.block for one in scored if one.pairing)}
        said["shuffle"] |= _judged(observed, shuffled, windows)
    return said | {name: _judge_streams(name, scored, observed) for name in scored[0].nulls}


def _count(null: Scores) -> int:
    """How many a story can take; it stays as it is where it has none."""
    return len(next(iter(null.values()))) if null else 1


_Taken = tuple[ScoredStory, Scores, NDArray[np.int64]]


def _judged(observed: Mapping[str, float], taken: Sequence[_Taken], windows: Sequence[int]) -> dict[str, Any]:
    made: dict[str, Any] = {"n": len(taken[0][2])}
    for metric, value in observed.items():
        parts = [null[metric][at] if null else np.full(len(at), one.observed(metric)) for one, null, at in taken]
        made[metric] = judge(metric, value, combined_means(parts, windows))
    return made


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

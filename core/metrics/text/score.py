"""All metrics of decoded stories: of each story and over all, with intervals, nulls, and differences of two streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from medpipe.core.metrics.bootstrap import draw_weights
from medpipe.core.metrics.estimates import Estimate, Row, estimate
from medpipe.core.metrics.text.means import weighted_means
from medpipe.core.metrics.text.metric import Array, TextMetric
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory, Story, score_story
from medpipe.core.metrics.text.story_nulls import Judged, judge_nulls

ALL: Final = "all"
# Of fewer blocks or stories no interval is drawn.
_FEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class TextRow:
    """Metrics of a story or of all, and what the nulls say of them."""

    row: Row
    nulls: Judged

    def record(self, suffix: str = "") -> dict[str, Any]:
        """As a JSON object; one without a null says so."""
        return self.row.record(suffix) | ({"nulls": self.nulls} if self.nulls else {"uncontrolled": True})


def score_text(stories: Sequence[Story], metrics: Sequence[TextMetric], sampling: Sampling) -> list[TextRow]:
    """A row for each story and one over the windows of all.

    With two streams a story, the first minus the second, and their nulls are of this difference.
    """
    scored = [score_story(story, metrics, sampling, place) for place, story in enumerate(stories)]
    return [*(_row(one.story.name, [one], sampling) for one in scored), _row(ALL, scored, sampling)]


def _row(name: str, scored: Sequence[ScoredStory], sampling: Sampling) -> TextRow:
    facts, (unit, weights) = _facts(scored), _weights(scored, sampling)
    estimates: dict[str, Estimate] = {}
    for metric in scored[0].values[0]:
        sides = [np.concatenate([one.values[k][metric] for one in scored]) for k in range(len(scored[0].values))]
        drawn = [np.concatenate([weighted_means(values, some) for some in weights]) for values in sides]
        if len(drawn) == 1:
            estimates[metric] = estimate(drawn[0][0], drawn[0][1:])
            continue
        facts[metric], facts[f"{metric}_against"] = (float(one[0]) if np.isfinite(one[0]) else None for one in drawn)
        change = drawn[0] - drawn[1]
        estimates[metric] = estimate(change[0], change[1:], paired=True)
    observed = {metric: np.nan if one.value is None else one.value for metric, one in estimates.items()}
    return TextRow(Row(name, facts | {"drawn": unit}, estimates), judge_nulls(scored, observed, sampling))


def _weights(scored: Sequence[ScoredStory], sampling: Sampling) -> tuple[str | None, list[Array]]:
    """What is drawn, and how often each window is: as it is in the first row, then in each draw.

    Whole stories where there are enough of them, else blocks of neighbouring windows.
    """
    if len(scored) >= _FEWEST:
        unit, clusters = "stories", [one.story.name for one in scored for _ in range(one.windows)]
    else:
        unit, clusters = "blocks", [block for one in scored for block in one.blocks()]
    draws = sampling.draws if len(set(clusters)) >= _FEWEST else 0
    drawn = draw_weights(len(clusters), draws, sampling.seed, clusters)
    return unit if draws else None, [np.ones((1, len(clusters))), *drawn]


def _facts(scored: Sequence[ScoredStory]) -> dict[str, Any]:
    """Counts, how long the texts are beside the truth, and what chance reaches."""
    true = sum(len(text.words) for one in scored for text in one.story.true)
    facts: dict[str, Any] = {"windows": sum(one.windows for one in scored), "words": true}
    for side, name in zip(range(len(scored[0].values)), ("length_ratio", "length_ratio_against"), strict=False):
        found = sum(len(text.words) for one in scored for text in one.story.found[side])
        facts[name] = found / true if true else None
    told = [one.windows for one in scored if one.windows > 1]
    return facts | {"identification_chance": 0.5, "identification_top1_chance": len(told) / sum(told) if told else None}

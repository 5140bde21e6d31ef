"""What the picture of a decoding is made of: words that are shared, and the scores of nulls."""

import numpy as np
import pytest

from medpipe.core.draw.shared_words import Mark, clock, common_words, mark_words, printable
from medpipe.core.draw.transcript import lay_out
from medpipe.core.metrics.text.bag_of_words import cosines
from medpipe.core.metrics.text.identification import Identification
from medpipe.core.metrics.text.scored_story import Sampling, ScoredStory, Story, score_story
from medpipe.core.metrics.text.story_nulls import draw_nulls, judge_nulls
from medpipe.core.metrics.text.words import split_text


def scored(raw: list[str]) -> ScoredStory:
    texts = [split_text(one) for one in raw]
    story = Story("s", texts, [texts], {"same": [texts]}, 20.0 * np.arange(len(texts)))
    return score_story(story, [Identification(cosines)], Sampling(permutations=99), 0)


def test_words_that_most_windows_have_tell_nothing() -> None:
    true = [split_text(raw) for raw in ("the dog ran", "the cow ran", "the hen sat", "a fox sat")]
    common = common_words(true)
    assert common == {"the"}
    assert mark_words(split_text("The DOG, barked"), true[0], common) == [
        ("The", Mark.common),
        ("DOG,", Mark.telling),
        ("barked", Mark.alone),
    ]


def test_rows_hold_every_word_within_the_page() -> None:
    story = scored(["word " * 200, "w" * 500, "", "a b"])
    rows = list(lay_out([story], 9.0, 0.0))
    assert [sum(len(line) for line in row.true) for row in (rows[0], rows[2], rows[3])] == [200, 0, 2]
    assert "".join(part for line in rows[1].true for part, _ in line) == "w" * 500
    assert [row.time for row in lay_out([story], 9.0, 30.0)] == ["0:40", "1:00"]


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (65.5, "1:05.5"), (59.96, "1:00"), (-3, "-0:03")])
def test_times_are_minutes_and_seconds(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def test_what_has_no_shape_is_seen() -> None:
    assert printable("a\x00\n\u202e\u200db") == "a\ufffd \ufffd\u200db"


def test_the_scores_of_a_null_are_those_that_it_is_judged_by() -> None:
    story = scored(["the dog ran", "a cow sat", "hens sing", "one fox", "owls fly", "it rains"])
    sampling, observed = Sampling(permutations=99), {"identification": story.observed("identification")}
    drawn, judged = draw_nulls([story], list(observed), sampling), judge_nulls([story], observed, sampling)
    assert list(drawn) == ["shift", "shuffle", "same"]
    for name, null in drawn.items():
        scores = null.scores["identification"]
        reached = (scores >= observed["identification"] - 1e-9).sum()
        assert judged[name]["identification"]["p"] == (1 + reached) / (1 + len(scores)) and judged[name]["n"] == len(
            scores
        )

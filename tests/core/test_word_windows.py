"""Words go to the volume that they were heard in, and windows are those of the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.fmri.word_windows import excess, row_texts, spoken, windows


@pytest.mark.parametrize(("rows", "count"), [(9, 0), (10, 1), (47, 4), (100, 10)])
def test_the_number_of_windows_is_that_of_the_released_code(rows: int, count: int) -> None:
    found, missing = windows(np.arange(rows), 10, 10, 0)
    assert len(found) == count == max(0, rows // 10) and missing == 0


@given(
    kept=st.lists(st.booleans(), max_size=40), length=st.integers(1, 6), hop=st.integers(1, 6), extra=st.integers(0, 3)
)
def test_no_window_spans_a_volume_that_is_missing(kept: list[bool], length: int, hop: int, extra: int) -> None:
    volumes = np.flatnonzero(kept)
    found, missing = windows(volumes, length, hop, extra)
    for row in found:
        part = volumes[row : row + length + extra]
        assert len(part) == length + extra and (np.diff(part) == 1).all()
    assert len(found) + missing == max(0, (len(volumes) - length - extra) // hop + 1)


@given(st.lists(st.floats(-5, 60, allow_nan=False), max_size=30).map(sorted), st.sampled_from([0.72, 1.5, 2.0]))
def test_every_word_is_in_the_one_volume_that_holds_its_time(times: list[float], tr: float) -> None:
    starts = np.arange(4, 20) * tr - 3.0
    texts = row_texts([f"w{n}" for n in range(len(times))], times, starts, tr)
    for row, text in enumerate(texts):
        expected = [f"w{n}" for n, time in enumerate(times) if starts[row] <= time < starts[row] + tr]
        near = [
            n
            for n, time in enumerate(times)
            if np.abs(starts - time).min() < 1e-6 or abs(time - starts[-1] - tr) < 1e-6
        ]
        assert [word for word in text.split() if int(word[1:]) not in near] == [
            word for word in expected if int(word[1:]) not in near
        ]


def test_a_word_on_the_border_belongs_to_the_later_volume() -> None:
    assert row_texts(["a", "", "b"], [0.3, 0.4, 0.6], np.array([0.0, 0.3, 0.6]), 0.3) == ["", "a", "b"]


def test_marks_of_breath_and_noise_are_no_words() -> None:
    assert [spoken(text) for text in ("Hello", "{BR}", "sp", "SENTENCE_START", " ", "I'm")] == [
        "hello",
        *[""] * 4,
        "i'm",
    ]


def test_the_scan_that_is_longer_has_an_excess() -> None:
    assert excess(100, 2.0, 10.0, 180.0) == 5 and excess(90, 2.0, 10.0, 180.0) == -5

"""Missing samples: short gaps bridged and counted, leads with long ones left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from simulated import ecg

from medpipe.core.ecg.gaps import fill_gaps
from medpipe.core.errors import InputError
from medpipe.formats.leads import STANDARD_12

LEADS = list(STANDARD_12)


def test_a_whole_signal_comes_back_as_it_is() -> None:
    signal = ecg()
    filled, counts, dropped = fill_gaps(signal, LEADS)
    assert filled is signal and (counts, dropped) == ({}, [])


def test_gaps_are_bridged_by_straight_lines_and_held_at_the_ends() -> None:
    signal = np.tile(np.arange(100, dtype=np.float32), (2, 1))
    signal[1, [0, 1, 40, 41, 99]] = [np.nan, np.nan, np.inf, -np.inf, np.nan]
    filled, counts, dropped = fill_gaps(signal, ["I", "II"])
    assert counts == {"II": 5} and dropped == []
    np.testing.assert_allclose(filled[1, [0, 1, 40, 41, 99]], [2, 2, 40, 41, 98])
    assert np.isnan(signal[1, 0]) and filled.dtype == np.float32


@pytest.mark.parametrize(("missing", "dropped"), [(500, []), (501, ["V2"]), (5000, ["V2"])])
def test_a_lead_above_the_limit_counts_as_absent(missing: int, dropped: list[str]) -> None:
    signal = ecg()
    signal[7, :missing] = np.nan
    filled, counts, left_out = fill_gaps(signal, LEADS)
    assert left_out == dropped and counts == ({} if dropped else {"V2": 500})
    assert np.isfinite(filled[[row for row in range(12) if LEADS[row] not in dropped]]).all()


def test_nothing_left_is_an_error_that_says_how_much_is_missing() -> None:
    with pytest.raises(InputError, match="NaN") as caught:
        fill_gaps(np.full((12, 50), np.nan, np.float32), LEADS)
    assert caught.value.kind == "all-nan"
    signal = ecg(seconds=2)
    signal[:, :250] = np.nan
    with pytest.raises(InputError, match=r"25\.0%.*10%") as caught:
        fill_gaps(signal, LEADS)
    assert caught.value.kind == "too-many-nan"
    with pytest.raises(InputError):
        fill_gaps(np.where(np.arange(100) < 20, np.nan, 1).astype(np.float32)[None], ["I"])


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30),
        elements=st.sampled_from([0.0, 1.0, -2.5, np.nan, np.inf, -np.inf]),
    )
)
def test_what_is_kept_is_finite_and_what_was_there_is_unchanged(signal: np.ndarray) -> None:
    leads = [f"lead {row}" for row in range(len(signal))]
    try:
        filled, counts, dropped = fill_gaps(signal, leads)
    except InputError:
        return
    there = np.isfinite(signal)
    np.testing.assert_array_equal(filled[there], signal[there])
    kept = [row for row, lead in enumerate(leads) if lead not in dropped]
    assert np.isfinite(filled[kept]).all() and counts == {
        leads[row]: int((~there[row]).sum()) for row in kept if not there[row].all()
    }

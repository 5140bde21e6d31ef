"""What cleaning leaves is what least squares leaves, and every step does what it says on signals that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.core.errors import InputError
from medpipe.core.fmri.cleaning import Cleaner, CleanOptions
from medpipe.core.fmri.detrend import Drift, cosines, polynomials, without_local_trend
from medpipe.core.fmri.low_pass import low_passed
from medpipe.core.fmri.scrubbing import filled, framewise_displacement

TIMES, TR = 120, 2.0
RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(500, 20, (TIMES, 9)) + np.linspace(0, 60, TIMES)[:, None]
CONFOUNDS = RNG.normal(3, 1, (TIMES, 5)) @ RNG.normal(0, 1, (5, 7))  # of rank 5
ALL = np.ones(TIMES, bool)


def cleaner(*drifts: str, keep=ALL, confounds=None, low_pass=None, zscore=False) -> Cleaner:
    options = CleanOptions(tuple(map(Drift.parse, drifts)), low_pass, zscore)
    return Cleaner(options, TR, keep, confounds)


def residuals(signal: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    design = np.concatenate(columns, axis=1)
    return signal - design @ np.linalg.lstsq(design, signal, rcond=None)[0]


ONES = np.ones((TIMES, 1))
LINE = np.vander(np.arange(TIMES), 2).astype(float)


@settings(deadline=None, max_examples=40)
@given(
    order=st.integers(0, 3), period=st.sampled_from([None, 50.0, 128.0]), with_confounds=st.booleans(),
    lost=st.sets(st.integers(0, TIMES - 1), max_size=25),
)  # fmt: skip
def test_one_projection_is_least_squares_on_the_volumes_kept(order, period, with_confounds, lost) -> None:
    keep = ALL.copy()
    keep[list(lost)] = False
    drifts = [f"poly:{order}"] + ([f"cosine:{period}"] if period else [])
    found, _ = cleaner(*drifts, keep=keep, confounds=CONFOUNDS if with_confounds else None)(SIGNAL)
    parts = [np.vander(np.linspace(-1, 1, TIMES), order + 1)]
    parts += [cosines(TIMES, TR, period)] if period else []
    parts += [CONFOUNDS] if with_confounds else []
    np.testing.assert_allclose(found, residuals(SIGNAL[keep], *[part[keep] for part in parts]), atol=2e-4)


def test_without_a_trend_a_voxel_keeps_its_mean() -> None:
    found, _ = cleaner(confounds=CONFOUNDS)(SIGNAL)
    centred = CONFOUNDS - CONFOUNDS.mean(axis=0)
    np.testing.assert_allclose(found, residuals(SIGNAL, centred), atol=1e-3)
    np.testing.assert_allclose(found.mean(axis=0), SIGNAL.mean(axis=0), rtol=1e-6)


def test_zscore_is_by_the_sample_deviation_and_silent_voxels_are_zero() -> None:
    signal = SIGNAL.copy()
    signal[:, 2] = 77.0
    signal[:, 4] = 3 * CONFOUNDS[:, 0] + 800
    found, constant = cleaner("poly:1", confounds=CONFOUNDS, zscore=True)(signal)
    assert list(np.flatnonzero(constant)) == [2, 4]
    assert not found[:, constant].any()
    np.testing.assert_allclose(found[:, ~constant].std(axis=0, ddof=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)


def test_a_constant_is_kept_where_nothing_takes_means_out() -> None:
    found, constant = cleaner(confounds=CONFOUNDS)(np.full((TIMES, 2), 77.0))
    assert constant.all() and (found == 77).all()


def test_whole_numbers_are_cleaned_as_their_values() -> None:
    counts = SIGNAL.astype(np.int16)
    for options in (("poly:2",), ("cosine:128",)):
        left, right = cleaner(*options)(counts)[0], cleaner(*options)(counts.astype(float))[0]
        np.testing.assert_array_equal(left, right)


def test_cosines_are_those_of_the_formula() -> None:
    basis = cosines(TIMES, TR, 128.0)
    assert basis.shape == (TIMES, int(2 * TIMES * TR / 128))
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    expected = np.sqrt(2 / TIMES) * np.cos(np.pi * 2 * (2 * np.arange(TIMES) + 1) / (2 * TIMES))
    np.testing.assert_allclose(basis[:, 1], expected, atol=1e-12)
    trend = polynomials(TIMES, 3)
    np.testing.assert_allclose(trend.T @ trend, np.eye(4), atol=1e-12)


def test_the_local_trend_takes_parabolas_and_leaves_what_is_fast() -> None:
    times = np.arange(TIMES)[:, None] * TR
    parabola = 0.01 * times**2 - 3 * times + 5
    np.testing.assert_allclose(without_local_trend(parabola, TR, 120), 0, atol=1e-8)
    fast = np.sin(2 * np.pi * times / 10)
    assert np.corrcoef(without_local_trend(fast + parabola, TR, 120).T, fast.T)[0, 1] > 0.99
    centre = 60
    window = np.arange(-30, 31)
    value = np.polyval(np.polyfit(window, SIGNAL[centre - 30 : centre + 31, 0], 2), 0)
    found = without_local_trend(SIGNAL, TR, 120)[centre, 0]
    assert found == pytest.approx(SIGNAL[centre, 0] - value)


def test_the_low_pass_stops_fast_sines_and_passes_slow_ones() -> None:
    times = np.arange(TIMES)[:, None] * TR
    slow, fast = np.sin(2 * np.pi * 0.02 * times), np.sin(2 * np.pi * 0.2 * times)
    middle = slice(20, -20)
    np.testing.assert_allclose(low_passed(slow, TR, 0.08)[middle], slow[middle], atol=0.01)
    assert np.abs(low_passed(fast, TR, 0.08)[middle]).max() < 1e-3
    with pytest.raises(InputError, match=r"nothing above 0\.25 Hz"):
        low_passed(slow, TR, 0.3)


def test_confounds_do_not_bring_back_what_a_filter_stopped() -> None:
    fast = np.sin(2 * np.pi * 0.2 * np.arange(TIMES) * TR)
    found, _ = cleaner("poly:1", low_pass=0.08, confounds=fast[:, None] + RNG.normal(0, 0.1, (TIMES, 1)))(SIGNAL)
    share = np.abs(np.fft.rfft(found * np.hanning(TIMES)[:, None], axis=0)) ** 2
    frequencies = np.fft.rfftfreq(TIMES, TR)
    assert share[frequencies > 0.12].sum() < 1e-3 * share.sum()


def test_scrubbed_volumes_have_no_say_in_a_filter() -> None:
    keep = ALL.copy()
    keep[[0, 30, 31, 119]] = False
    spoilt = SIGNAL.copy()
    spoilt[~keep] += 1e5
    for options in ({"low_pass": 0.08}, {}):
        drifts = ("poly:1",) if options else ("poly:1", "sg:120")
        left, _ = cleaner(*drifts, keep=keep, **options)(SIGNAL)
        right, _ = cleaner(*drifts, keep=keep, **options)(spoilt)
        assert left.shape == (TIMES - 4, 9)
        np.testing.assert_allclose(left, right, atol=0.05)


@given(st.lists(st.booleans(), min_size=2, max_size=30).filter(any))
def test_lines_across_what_is_missing(kept: list[bool]) -> None:
    keep = np.array(kept)
    times = np.arange(len(keep), dtype=float)
    known = np.flatnonzero(keep)
    signal = np.where(keep, RNG.normal(0, 1, len(keep)), np.nan)
    found = filled(signal[:, None], keep)[:, 0]
    np.testing.assert_allclose(found, np.interp(times, known, signal[known]), atol=1e-12)


def test_displacement_is_by_arcs_of_fifty_millimetres() -> None:
    motion = np.array([[0, 0, 0, 0, 0, 0], [0.1, -0.2, 0, 0.01, 0, 0], [0.1, -0.2, 0, 0.01, 0, -0.02]])
    np.testing.assert_allclose(framewise_displacement(motion), [0, 0.3 + 0.5, 1.0])


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(InputError, match="leave nothing of 120 volumes"):
        cleaner("poly:1", confounds=RNG.normal(0, 1, (TIMES, 119)))
    with pytest.raises(InputError, match="window of 400 s is 201 volumes"):
        cleaner("sg:400")(SIGNAL)
    with pytest.raises(InputError, match="leave nothing"):
        cleaner("cosine:3.9")
    for wrong in ("poly", "poly:-1", "cosine:0", "fourier:3", "sg:", "poly:1.5"):
        with pytest.raises(ValueError, match="is no detrending"):
            Drift.parse(wrong)

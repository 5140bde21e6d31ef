from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from medpipe.core.errors import InputError
from medpipe.core.resample import Resampled, ratio, resample

RATES = [
    (500, 100),
    (1000, 500),
    (360, 500),
    (257, 100),
    (250, 500),
    (128, 100),
    (2000, 500),
    (50, 100),
    (100.5, 100),
    (999.7, 100),
    (16, 500),
]


def noise(rows: int, samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, samples)).astype(np.float32)


@pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
@pytest.mark.parametrize("samples", [1, 2, 99, 5000, 5003, 30000])
def test_equals_resample_poly(fs_in: float, fs_out: float, samples: int) -> None:
    signal = noise(3, samples)
    expected = resample_poly(signal, *ratio(fs_in, fs_out), axis=1)
    got = resample(signal, fs_in, fs_out)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_equal_rates_change_nothing() -> None:
    signal = noise(2, 77)
    np.testing.assert_array_equal(resample(signal, 360, 360), signal)


@pytest.mark.parametrize(("fs_in", "fs_out"), [(1.0, float("nan")), (0.0, 100.0), (-1.0, 2.0), (1e9, 1e-3)])
def test_rates_without_a_ratio_are_refused(fs_in: float, fs_out: float) -> None:
    with pytest.raises(InputError):
        resample(noise(1, 10), fs_in, fs_out)


@settings(max_examples=80, deadline=None)
@given(
    rates=st.sampled_from(RATES),
    samples=st.integers(1, 60_000),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_slice_is_the_slice_of_the_whole_bit_for_bit(
    rates: tuple[float, float], samples: int, ends: tuple[float, float]
) -> None:
    signal = noise(2, samples)
    whole = resample(signal, *rates)
    view = Resampled(lambda start, stop: signal[:, start:stop], (2, samples), *rates)
    assert view.shape == whole.shape
    start, stop = sorted(round(end * whole.shape[1]) for end in ends)
    np.testing.assert_array_equal(view.read(start, stop), whole[:, start:stop])


def test_a_slice_across_slabs_is_the_slice_of_the_whole_bit_for_bit() -> None:
    signal = noise(1, 900_000)
    signal[0, 400_000:400_100] = np.nan
    view = Resampled(lambda start, stop: signal[:, start:stop], signal.shape, 500, 100)
    whole = resample(signal, 500, 100)
    np.testing.assert_array_equal(view.read(51_000, 130_001), whole[:, 51_000:130_001])
    np.testing.assert_array_equal(view.read(79_990, 80_003), whole[:, 79_990:80_003])


def test_a_slice_reads_only_the_input_that_it_needs() -> None:
    asked: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return np.zeros((1, stop - start), np.int16)

    day = Resampled(read, (1, 24 * 3600 * 500), 500, 100)
    day.read(4_000_000, 4_001_000)
    assert sum(stop - start for start, stop in asked) < 13_000
    asked.clear()
    for _ in range(2):
        day.read(0, 800_000)
    assert max(stop - start for start, stop in asked) < 300_000


@pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
def test_a_gap_spreads_only_as_far_as_the_filter(fs_in: float, fs_out: float) -> None:
    signal = noise(2, 9000)
    clean = resample(signal, fs_in, fs_out)
    signal[1, 4000:4020] = np.nan
    got = resample(signal, fs_in, fs_out)
    reach = 10 * max(1.0, fs_out / fs_in) + 1
    first, last = 4000 * fs_out / fs_in - reach, 4020 * fs_out / fs_in + reach
    there = np.flatnonzero(np.isnan(got[1]))
    assert len(there)
    assert first <= there[0]
    assert there[-1] <= last
    assert not np.isnan(got[0]).any()
    np.testing.assert_array_equal(got[~np.isnan(got)], clean[~np.isnan(got)])


def test_rows_do_not_touch_each_other() -> None:
    signal = noise(12, 5000)
    order = np.random.default_rng(1).permutation(12)
    np.testing.assert_array_equal(resample(signal[order], 500, 100), resample(signal, 500, 100)[order])
    np.testing.assert_array_equal(resample(signal[4:5], 500, 100), resample(signal, 500, 100)[4:5])


@pytest.mark.parametrize("fs", [1e-5, 1e-300, 1e300, float("nan")])
def test_rates_that_lie_too_far_apart_are_refused(fs: float) -> None:
    with pytest.raises(InputError):
        resample(np.zeros((1, 10), np.float32), fs, 100.0)

import numpy as np
import pytest

from medpipe.core.ecg.preprocess_default import LEADS, SAMPLES, prepare
from medpipe.core.errors import InputError


def beats(fs, seconds, leads=12, seed=0):
    """Something like an ECG in mV, [leads, samples]: the same signal at any rate."""
    time = np.arange(round(fs * seconds)) / fs
    generator = np.random.default_rng(seed)
    shape = np.exp(-(((time % 0.8) - 0.4) ** 2) / (2 * 0.012**2)) + 0.2 * np.exp(-(((time % 0.8) - 0.6) ** 2) / 0.005)
    gains = generator.uniform(0.3, 1.5, (leads, 1)) * generator.choice([-1, 1], (leads, 1))
    return (gains * shape + 0.1 * np.sin(2 * np.pi * 1.3 * time)).astype(np.float32)


@pytest.mark.parametrize("fs", [50.0, 128.0, 250.0, 360.0, 500.0, 1000.0, 2000.0])
def test_the_rate_hardly_matters(fs):
    expected, _ = prepare(beats(100.0, 10), 100.0, LEADS)
    found, present = prepare(beats(fs, 10), fs, LEADS)
    assert present.all() and found.shape == (12, SAMPLES)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > (0.99 if fs >= 100 else 0.9)


@pytest.mark.parametrize("scale", [1e-6, 1e3, 200.0])
def test_units_do_not_matter(scale):
    signal = beats(100.0, 10)
    expected, _ = prepare(signal, 100.0, LEADS)
    found, _ = prepare(signal * np.float32(scale) + np.float32(scale), 100.0, LEADS)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_leads_are_standardised_one_by_one():
    x, _ = prepare(beats(500.0, 10), 500.0, LEADS)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axis=1), 1, atol=1e-3)


def test_drift_and_mains_are_removed():
    time = np.arange(1000) / 100
    clean = beats(100.0, 10, leads=1)
    noisy = clean + (0.5 * np.sin(2 * np.pi * 0.1 * time) + 0.3 * np.sin(2 * np.pi * 49.9 * time)).astype(np.float32)
    expected, _ = prepare(clean, 100.0, ["I"])
    found, _ = prepare(noisy, 100.0, ["I"])
    assert np.corrcoef(found[0, 100:-100], expected[0, 100:-100])[0, 1] > 0.98


@pytest.mark.parametrize("seconds", [0.02, 0.5, 1.0, 3.3, 9.99])
def test_a_short_window_is_padded_with_zeros(seconds):
    x, present = prepare(beats(500.0, seconds, leads=1), 500.0, ["V1"])
    samples = int(np.ceil(round(500 * seconds) / 5))
    assert np.isfinite(x).all() and present.sum() == 1 and present[LEADS.index("V1")]
    assert not x[:, samples:].any()


def test_unknown_leads_are_ignored():
    signal = beats(100.0, 10, leads=3)
    x, present = prepare(signal, 100.0, ["vx", "II", "V9"])
    expected, _ = prepare(signal[1:2], 100.0, ["II"])
    assert list(np.flatnonzero(present)) == [1]
    np.testing.assert_array_equal(x, expected)


def test_flat_leads_are_rows_of_zeros():
    signal = beats(500.0, 10, leads=2)
    signal[1] = 1.7
    x, present = prepare(signal, 500.0, ["I", "II"])
    assert present[1] and not x[1].any() and x[0].any()


@pytest.mark.parametrize(
    ("signal", "fs", "leads", "kind"),
    [
        (np.zeros((2, 100)), 100.0, ["II", "II"], "repeated-leads"),
        (np.zeros((2, 100)), 100.0, ["x", "y"], "missing-leads"),
        (np.zeros((0, 100)), 100.0, [], "missing-leads"),
        (np.zeros((1, 100)), 100.0, ["I", "II"], "leads"),
        (np.zeros((1, 0)), 100.0, ["I"], "no-samples"),
        (np.zeros((1, 100)), 0.0, ["I"], "rate"),
        (np.zeros((1, 100)), float("nan"), ["I"], "rate"),
        (np.zeros((1, 1100)), 100.0, ["I"], "window-length"),
        (np.full((1, 100), np.nan), 100.0, ["I"], "not-finite"),
        (np.full((1, 500), np.inf), 500.0, ["I"], "not-finite"),
    ],
)
def test_what_cannot_be_used_is_refused(signal, fs, leads, kind):
    with pytest.raises(InputError) as caught:
        prepare(signal.astype(np.float32), fs, leads)
    assert caught.value.kind == kind

from __future__ import annotations

import numpy as np
import pytest

from medpipe.core.ecg.presets import MERL_LEADS, PRESETS
from medpipe.core.errors import InputError
from medpipe.core.resample import resample

STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
MERL, KMERL = PRESETS["merl"], PRESETS["kmerl"]


def recording(rows: int = 12, samples: int = 5000) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 0.5, (rows, samples)).astype(np.float32)


def test_equals_the_released_code_with_leads_in_the_order_of_mimic() -> None:
    signal = recording()
    x, present = MERL.prepare(signal, 500, STANDARD)
    swapped = signal.copy()
    swapped[[4, 5]] = signal[[5, 4]]
    expected = (swapped - swapped.min()) / (swapped.max() - swapped.min() + 1e-8)
    assert present.all()
    assert MERL_LEADS.index("aVF") == 4
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert x.dtype == np.float32


def test_order_units_and_other_leads_change_nothing() -> None:
    signal = recording(15)
    leads = [*STANDARD, "V7", "V8", "Vx"]
    order = np.random.default_rng(0).permutation(15)
    x, _ = MERL.prepare(signal[:12], 500, STANDARD)
    other, _ = MERL.prepare(signal[order], 500, [leads[row] for row in order])
    np.testing.assert_array_equal(x, other)
    microvolts, _ = MERL.prepare(signal[:12] * 1000, 500, STANDARD)
    np.testing.assert_allclose(x, microvolts, atol=1e-6)


def test_a_short_recording_is_padded_before_the_scale_is_found() -> None:
    signal = recording(samples=2500) + 3
    x, _ = MERL.prepare(signal, 500, STANDARD)
    assert (x[:, 2500:] == 0).all()
    assert x[:, :2500].min() > 0.1


@pytest.mark.parametrize(("fs", "samples"), [(100.0, 1000), (360.0, 3600), (257.0, 2570), (1000.0, 10000)])
def test_other_rates_are_brought_to_500_hz(fs: float, samples: int) -> None:
    signal = recording(samples=samples)
    x, _ = MERL.prepare(signal, fs, list(MERL_LEADS))
    again = resample(signal, fs, 500)
    assert x.shape == (12, 5000)
    np.testing.assert_allclose(x, (again - again.min()) / (again.max() - again.min() + 1e-8), atol=1e-6)


def test_missing_leads_are_an_error_or_rows_of_zeros() -> None:
    signal = recording(11)
    with pytest.raises(InputError, match="missing: V6") as caught:
        MERL.prepare(signal, 500, STANDARD[:11])
    assert caught.value.kind == "missing-leads"
    x, present = MERL.prepare(signal, 500, STANDARD[:11], "zero")
    assert (x[11] == 0).all()
    assert present.tolist() == [True] * 11 + [False]
    x, present = KMERL.prepare(signal[:1], 500, ["V3"])
    assert present.nonzero()[0].tolist() == [8]
    with pytest.raises(InputError, match="none of the leads"):
        KMERL.prepare(signal[:1], 500, ["Vx"])


@pytest.mark.parametrize(
    ("signal", "fs", "leads", "kind"),
    [
        (recording(), 0.0, STANDARD, "rate"),
        (recording(), float("nan"), STANDARD, "rate"),
        (recording(samples=0), 500.0, STANDARD, "no-samples"),
        (recording(), 500.0, STANDARD[:11], "leads"),
        (recording(), 500.0, ["I", *STANDARD[:11]], "repeated-leads"),
        (recording(samples=6000), 500.0, STANDARD, "window-length"),
        (recording() * np.float32(np.nan), 500.0, STANDARD, "not-finite"),
    ],
)
def test_what_cannot_be_used_is_said(signal: np.ndarray, fs: float, leads: list[str], kind: str) -> None:
    with pytest.raises(InputError) as caught:
        MERL.prepare(signal, fs, leads)
    assert caught.value.kind == kind


def test_a_flat_recording_is_finite() -> None:
    x, _ = MERL.prepare(np.full((12, 5000), 0.3, np.float32), 500, STANDARD)
    assert np.isfinite(x).all()


def test_presets_differ_in_their_digest() -> None:
    assert len({preset.digest for preset in PRESETS.values()}) == len(PRESETS)

"""What the quality of a recording says, on simulated recordings and, where they are, on real ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from simulated import ecg

from medpipe.core.ecg.quality import QualityTally, assess
from medpipe.formats.leads import STANDARD_12
from medpipe.formats.wfdb_record import open_wfdb

LEADS, UNITS = list(STANDARD_12), ["mV"] * 12
GOOD = {"nan_fraction": 0.0, "flat": [], "clipped": [], "saturated": [], "reversal": None}
# Leads I and II with two electrodes swapped, from those without; the other limb leads follow.
SWAPS = {
    "LA/RA": ((-1, 0), (-1, 1)),
    "LA/LL": ((0, 1), (1, 0)),
    "RA/LL": ((1, -1), (0, -1)),
    "RA/RL": ((1, -1), (0, 0)),
    "LA/RL": ((0, 1), (0, 1)),
}


def swapped(signal: np.ndarray, how: str) -> np.ndarray:
    found = signal.copy()
    found[:2] = np.array(SWAPS[how], np.float32) @ signal[:2]
    first, second = found[:2]
    found[2:6] = second - first, -(first + second) / 2, first - second / 2, second - first / 2
    return found


@pytest.mark.parametrize("fs", [50, 100, 257, 500, 2000])
def test_a_good_recording_has_nothing_to_say(fs: float) -> None:
    assert assess(ecg(fs=fs), fs, LEADS, UNITS, [(-5.0, 5.0)] * 12) == GOOD


def test_missing_samples_are_counted_by_lead() -> None:
    signal = ecg()
    signal[1, :50], signal[7, 3] = np.nan, np.inf
    found = assess(signal, 500, LEADS, UNITS)
    assert found["nan_fraction"] == 51 / 60000 and found["nan_leads"] == {"II": 0.01, "V2": 0.0002}
    assert found["flat"] == [] and found["clipped"] == []


def test_a_recording_of_nothing_is_no_more_than_missing() -> None:
    found = assess(np.full((12, 5000), np.nan, np.float32), 500, LEADS, UNITS, [(-5.0, 5.0)] * 12)
    assert found == GOOD | {"nan_fraction": 1.0, "nan_leads": dict.fromkeys(sorted(LEADS), 1.0)}


def test_flat_leads_are_those_within_ten_microvolts() -> None:
    signal = ecg()
    signal[6] = 0.3
    signal[8] = 0.004 * np.sin(np.arange(5000))
    assert assess(signal, 500, LEADS, UNITS)["flat"] == ["V1", "V3"]
    assert assess(signal, 500, LEADS, ["unknown"] * 12)["flat"] == ["V1"]


def test_clipping_is_an_extreme_that_is_held() -> None:
    signal = ecg()
    signal[9] = np.minimum(signal[9], 0.5)
    signal[10] = np.maximum(signal[10], -0.02)
    found = assess(signal, 500, LEADS, UNITS)
    # The second is held where the lead rests, as when a recorder suppresses small values.
    assert found["clipped"] == ["V4"]


def test_saturation_is_the_end_of_the_converter() -> None:
    signal = ecg()
    top = float(np.sort(signal[11])[-20])
    ends = [(-5.0, 5.0)] * 11 + [(-5.0, top)]
    assert assess(np.minimum(signal, top), 500, LEADS, UNITS, ends)["saturated"] == ["V6"]
    # A lead scaled to the converter's whole range touches its end once.
    assert assess(signal, 500, LEADS, UNITS, [*ends[:11], (-5.0, float(signal[11].max()))])["saturated"] == []


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize("how", ["LA/RA", "RA/LL", "RA/RL", "LA/RL"])
def test_swapped_limb_electrodes_are_suspected(how: str, fs: float) -> None:
    assert assess(swapped(ecg(4, fs=fs), how), fs, LEADS, UNITS)["reversal"] == how


def test_a_swap_is_suspected_whatever_the_order_unit_and_gaps() -> None:
    signal = swapped(ecg(5), "LA/RA")[::-1] * 1000
    signal[2, 700:900] = np.nan
    found = assess(signal, 500, LEADS[::-1], ["unknown"] * 12)
    assert found["reversal"] == "LA/RA"


def test_dextrocardia_is_no_swap() -> None:
    signal = swapped(ecg(6), "LA/RA")
    # The chest leads too see the heart from its other side: V1 and V2 change places, the rest are right-sided.
    signal[[6, 7]] = signal[[7, 6]]
    signal[8:] = np.array([[0.8], [0.6], [0.45], [0.35]], np.float32) * signal[7]
    assert assess(signal, 500, LEADS, UNITS)["reversal"] is None


@pytest.mark.parametrize("kept", [["I"], ["I", "II"], ["II", "V1", "V5"], LEADS[:6], LEADS[:11]])
def test_too_few_leads_give_no_suspicion(kept: list[str]) -> None:
    rows = [LEADS.index(lead) for lead in kept]
    assert assess(swapped(ecg(7), "LA/RA")[rows], 500, kept, ["mV"] * len(kept))["reversal"] is None


def test_noise_and_silence_give_no_suspicion() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, (12, 5000)).astype(np.float32)
    for signal in (noise, np.zeros_like(noise), ecg()[:, :400]):
        assert assess(signal, 500, LEADS, UNITS)["reversal"] is None


def test_a_device_with_lead_one_alone_in_twelve_rows_is_no_swap() -> None:
    signal = ecg(8)
    signal[1:] = 0
    assert assess(signal, 500, LEADS, UNITS)["reversal"] is None


def test_windows_are_gathered() -> None:
    tally = QualityTally()
    quiet = ecg(1)
    quiet[3] = 0
    for signal in (swapped(ecg(1), "LA/RA"), swapped(quiet, "LA/RA"), ecg(1)):
        tally.add(signal, 500, LEADS, UNITS, None)
    assert tally.result() == GOOD | {"reversal": "LA/RA"}


def test_few_false_alarms_and_most_swaps_on_real_recordings() -> None:
    root = os.environ.get("MEDPIPE_DATA")
    if root is None:
        pytest.skip("MEDPIPE_DATA is not set")
    records = [open_wfdb(str(path)) for path in sorted(Path(root, "ecg/ptbxl_raw").rglob("*_lr.hea"))]
    signals = [one.read(0, one.samples) for one in records]
    assert len(signals) > 400

    def share(how: str | None) -> float:
        found = [
            assess(signal if how is None else swapped(signal, how), 100, one.leads, one.units, one.adc_range)
            for signal, one in zip(signals, records, strict=True)
        ]
        return float(np.mean([one["reversal"] == how for one in found]))

    assert share(None) > 0.99
    assert share("LA/RA") > 0.9 and share("RA/LL") > 0.92


def test_a_lead_that_is_dead_alone_is_no_swap() -> None:
    signal = ecg()
    signal[1] = 1e-3 * np.random.default_rng(0).normal(size=signal.shape[1])
    assert assess(signal, 500, LEADS, UNITS)["reversal"] is None

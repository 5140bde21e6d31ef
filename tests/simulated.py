"""Simulated twelve-lead recordings: beats of Gaussian waves, for tests that need no recorded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medpipe.formats.leads import STANDARD_12
from medpipe.formats.wfdb_write import write_wfdb

# Centre and width in seconds from the R peak, for P, Q, R, S, T.
_WAVES = ((-0.18, 0.025), (-0.03, 0.010), (0.0, 0.012), (0.03, 0.012), (0.25, 0.045))
_HEIGHTS = {
    "I": (0.08, -0.05, 0.7, -0.1, 0.2),
    "II": (0.12, -0.08, 1.1, -0.2, 0.3),
    "V1": (0.05, 0.0, 0.25, -0.9, -0.1),
    "V2": (0.06, 0.0, 0.5, -1.2, 0.4),
    "V3": (0.06, 0.0, 0.8, -0.8, 0.45),
    "V4": (0.06, -0.05, 1.2, -0.4, 0.4),
    "V5": (0.06, -0.06, 1.3, -0.2, 0.35),
    "V6": (0.06, -0.06, 1.0, -0.1, 0.3),
}


def ecg(seed: int = 0, seconds: float = 10.0, fs: float = 500.0, rate: float = 70.0) -> np.ndarray:
    """A recording in mV, float32 [12, n], with its own rhythm, amplitudes and noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * fs)) / fs
    peaks = np.cumsum(rng.normal(60 / rate, 0.02, int(seconds * rate / 60) + 2)) - 0.3
    rows = {}
    for lead, heights in _HEIGHTS.items():
        wave = sum(
            height * np.exp(-0.5 * ((t[:, None] - peaks - centre) / width) ** 2).sum(axis=1)
            for height, (centre, width) in zip(heights, _WAVES, strict=True)
        )
        rows[lead] = wave * rng.uniform(0.8, 1.2)
    rows["III"] = rows["II"] - rows["I"]
    rows["aVR"] = -(rows["I"] + rows["II"]) / 2
    rows["aVL"] = rows["I"] - rows["II"] / 2
    rows["aVF"] = rows["II"] - rows["I"] / 2
    signal = np.stack([rows[lead] for lead in STANDARD_12])
    return (signal + rng.normal(0, 0.01, signal.shape)).astype(np.float32)


def write_records(folder: Path, count: int, seconds: float = 10.0, fs: float = 500.0) -> list[Path]:
    """`count` WFDB records of simulated recordings; their headers."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        signal = ecg(seed, seconds, fs)
        write_wfdb(folder, f"r{seed:05d}", signal, fs, list(STANDARD_12), ["mV"] * 12)
    return sorted(folder.glob("*.hea"))

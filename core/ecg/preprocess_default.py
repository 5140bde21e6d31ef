"""Preprocessing of the default ECG model: 100 Hz, 0.5 to 40 Hz, every lead on its own scale.

The model was trained on recordings that had been band-passed and z-scored per lead. The filter here
has the gain that was measured between 27 of them and their raw originals, and no phase. As each lead
is divided by its own standard deviation, units do not matter, and voltages are lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

NAME: Final = "default"
LEADS: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
FS: Final = 100.0
SAMPLES: Final = 1000
BAND: Final = (0.5, 40.0)
# Powers of the frequency ratio in the two halves of the gain.
_STEEPNESS: Final = (8, 8)
# Samples of the mirrored continuation at either end, so that the filter's edges fall outside.
_MARGIN: Final = 200
# Standard deviations beyond which a sample is taken for an artefact and held; training data end at 9.
_LIMIT: Final = 12.0
# A lead that moves less than this share of its own level is flat: what is left is rounding.
_FLAT: Final = 1e-6


def prepare(
    signal: NDArray[np.float32], fs: float, leads: Sequence[str], missing: str = "error"
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One window as the default model sees it: x [12, 1000] and which rows are real [12].

    `signal` [len(leads), n] is in any unit, without NaN, at `fs` Hz, and not longer than ten seconds.
    A shorter one is padded with zeros at its end, after the scaling; the model does not look at the
    padding. Names that are not in LEADS are ignored. Absent leads, and leads that are flat, are rows
    of zeros. `missing` is checked and changes nothing: this model takes any subset of the leads.

    Raises InputError: `leads`, `no-samples`, `repeated-leads`, `missing-leads`, `rate`,
    `window-length`, `not-finite`.
    """
    if missing not in ("error", "zero"):
        raise ValueError(f"missing is {missing!r}; it is error or zero")
    names = list(leads)
    present = _present(signal, names)
    rows = _at_rate(signal[[names.index(lead) for lead in LEADS if lead in names]], fs)
    x = np.zeros((len(LEADS), SAMPLES), np.float32)
    x[present, : rows.shape[1]] = standardise(rows)
    return x, present


def standardise(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite rows [k, n] at 100 Hz, band-passed, with mean 0 and standard deviation 1 each; flat rows are 0."""
    n = rows.shape[1]
    level = np.abs(rows).max(axis=1)
    # Any unit: volts and raw converter counts alike, far from the ends of float32.
    level[level == 0] = 1
    unit = rows / level[:, None]
    unit -= unit.mean(axis=1, keepdims=True)
    flat = np.abs(unit).max(axis=1) < _FLAT
    margin = min(_MARGIN, n - 1)
    filtered = np.fft.irfft(np.fft.rfft(_mirrored(unit, margin)) * _gain(n + 2 * margin), n + 2 * margin)
    filtered = filtered[:, margin : margin + n].astype(np.float32)
    filtered -= filtered.mean(axis=1, keepdims=True)
    spread = filtered.std(axis=1)
    flat |= spread < _FLAT
    spread[flat] = 1
    scaled: NDArray[np.float32] = np.clip(filtered / spread[:, None], -_LIMIT, _LIMIT)
    scaled[flat] = 0
    return scaled


def _present(signal: NDArray[np.float32], names: list[str]) -> NDArray[np.bool_]:
    if signal.ndim != 2 or signal.shape[0] != len(names):
        raise InputError("leads", f"{len(names)} lead names for an array of shape {list(signal.shape)}")
    if signal.shape[1] == 0:
        raise InputError("no-samples", "the window holds no samples")
    repeated = [lead for lead in LEADS if names.count(lead) > 1]
    if repeated:
        raise InputError("repeated-leads", f"more than one row is named {', '.join(repeated)}")
    present = np.array([lead in names for lead in LEADS])
    if not present.any():
        raise InputError("missing-leads", f"none of the leads that the default model knows: {', '.join(LEADS)}")
    return present


def _at_rate(rows: NDArray[np.float32], fs: float) -> NDArray[np.float32]:
    if not (math.isfinite(fs) and fs > 0):
        raise InputError("rate", f"a sampling rate of {fs:g} Hz")
    if not np.isfinite(rows).all():
        raise InputError("not-finite", "the window holds NaN or infinite values")
    if fs != FS:
        from medpipe.core.resample import resample

        # The filter takes what is before and after a recording for zero: let that be its own level.
        level = rows.mean(axis=1, keepdims=True)
        rows = resample(rows - level, fs, FS)
    # A window cut at another rate may round up by the one sample that upsampling adds.
    if rows.shape[1] > SAMPLES + math.ceil(FS / fs):
        raise InputError("window-length", f"{rows.shape[1]} samples at 100 Hz, the default model takes {SAMPLES}")
    return rows[:, :SAMPLES]


def _mirrored(rows: NDArray[np.float32], margin: int) -> NDArray[np.float32]:
    """The rows continued at either end by their point reflection, which keeps value and slope."""
    if margin == 0:
        return rows
    before = 2 * rows[:, :1] - rows[:, margin:0:-1]
    after = 2 * rows[:, -1:] - rows[:, -2 : -margin - 2 : -1]
    return np.concatenate([before, rows, after], axis=1)


@lru_cache(maxsize=64)
def _gain(samples: int) -> NDArray[np.float64]:
    """Gain of the band-pass at the frequencies of a real FFT over `samples` at 100 Hz."""
    frequency = np.fft.rfftfreq(samples, 1 / FS)
    low, high = BAND
    gain = np.zeros(len(frequency))
    above = frequency > 0
    gain[above] = 1 / (1 + (low / frequency[above]) ** _STEEPNESS[0]) / (1 + (frequency[above] / high) ** _STEEPNESS[1])
    return gain

"""Preprocessing of MERL (arXiv 2403.06659) and K-MERL (arXiv 2502.17900): one scale for all leads.

No filter and no quantisation: the rate, the order of the leads by name, and a global min-max.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.presets import Preset
from medpipe.core.errors import InputError

EPSILON: Final = 1e-8


def prepare(
    preset: Preset,
    signal: NDArray[np.float32],
    fs: float,
    leads: Sequence[str],
    missing: str = "error",
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One window as MERL and K-MERL see it: x [12, 5000] in [0, 1], and which rows are real [12].

    `signal` [len(leads), n] is in any one unit, without NaN, at `fs` Hz, and not longer than the
    preset's window. A shorter one is padded with zeros at its end, before the min-max: so does the
    released code with the short recordings of CPSC2018, and the padding ends up at the level that
    0 mV has. Leads that the model does not know are left out, also of the minimum and maximum.

    A lead that the model needs and `leads` has not: InputError, or with `missing="zero"` a row of
    zeros put in after the min-max, False in the second result. Absent rows are zero as well where
    the model needs not all leads; it does not look at them.
    """
    if missing not in ("error", "zero"):
        raise ValueError(f"missing is {missing!r}; it is error or zero")
    present = np.array([lead in leads for lead in preset.leads])
    _check(preset, signal, leads, present, missing)
    rows = _at_rate(preset, signal[[leads.index(lead) for lead in preset.leads if lead in leads]], fs)
    x = np.zeros((len(preset.leads), preset.samples), np.float32)
    if rows.shape[1] < preset.samples:
        rows = np.pad(rows, ((0, 0), (0, preset.samples - rows.shape[1])))
    x[present] = _min_max(rows)
    return x, present


def _check(
    preset: Preset,
    signal: NDArray[np.float32],
    leads: Sequence[str],
    present: NDArray[np.bool_],
    missing: str,
) -> None:
    if signal.ndim != 2 or signal.shape[0] != len(leads):
        raise InputError("leads", f"{len(leads)} lead names for an array of shape {list(signal.shape)}")
    if signal.shape[1] == 0:
        raise InputError("no-samples", "the window holds no samples")
    repeated = sorted({lead for lead in preset.leads if leads.count(lead) > 1})
    if repeated:
        raise InputError("repeated-leads", f"more than one row is named {', '.join(repeated)}")
    absent = [lead for lead, there in zip(preset.leads, present, strict=True) if not there]
    if not present.any():
        raise InputError("missing-leads", f"none of the leads that {preset.name} knows: {', '.join(absent)}")
    if absent and preset.needs_all_leads and missing == "error":
        raise InputError(
            "missing-leads", f"{preset.name} needs {len(preset.leads)} leads; missing: {', '.join(absent)}"
        )


def _at_rate(preset: Preset, rows: NDArray[np.float32], fs: float) -> NDArray[np.float32]:
    if not (math.isfinite(fs) and fs > 0):
        raise InputError("rate", f"a sampling rate of {fs:g} Hz")
    if fs != preset.fs:
        from medpipe.core.resample import resample

        rows = resample(rows, fs, preset.fs)
    # A window cut at another rate may round up by the one sample that upsampling adds.
    if rows.shape[1] > preset.samples + math.ceil(preset.fs / fs):
        raise InputError(
            "window-length", f"{rows.shape[1]} samples at {preset.fs:g} Hz, {preset.name} takes {preset.samples}"
        )
    return rows[:, : preset.samples]


def _min_max(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(rows.min()), float(rows.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("not-finite", "the window holds NaN or infinite values")
    scaled = rows - np.float32(low)
    scaled /= np.float32(high - low + EPSILON)
    return scaled

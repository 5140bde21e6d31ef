"""Suspected swaps of the limb electrodes, from the shape of the leads alone.

Criteria after Peberdy and Ornato (Am J Emerg Med 11, 1993) and Batchvarov et al. (Europace 9, 2007): swapped
arm electrodes turn lead I over while V6 stays upright, which tells them from dextrocardia; swapped right arm
and left leg electrodes turn lead II over against V6; a right arm (left arm) electrode swapped with the right
leg's leaves lead II (lead III) almost flat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NEEDED = ("I", "II", "V6")
_RATE = 100.0
_OPPOSED = -0.6
_FLAT_MV = 0.12
_ALIVE_MV = 0.3


def suspect_reversal(
    signal: NDArray[np.float32], fs: float, leads: Sequence[str], flat: Sequence[str], units: Sequence[str]
) -> str | None:
    """Which two electrodes seem swapped: LA/RA, RA/LL, RA/RL or LA/RL; None when nothing speaks for it.

    Args:
        signal: [leads, n], NaN where samples are missing.
        fs: rate in Hz.
        leads: canonical names of the rows.
        flat: leads that show nothing.
        units: of the rows; the criteria on amplitudes need mV.
    """
    if any(lead not in leads or lead in flat for lead in _NEEDED) or signal.shape[1] < fs:
        return None
    step = max(1, int(fs / _RATE))
    rows = {lead: signal[leads.index(lead), ::step].astype(np.float64) for lead in _NEEDED}
    if not all(np.isfinite(row).all() for row in rows.values()):
        return None
    first, second, sixth = (rows[lead] - np.median(rows[lead]) for lead in _NEEDED)
    if units[leads.index("II")] == "mV":
        spans = {name: _span(row) for name, row in (("I", first), ("II", second), ("III", second - first))}
        if spans["II"] < _FLAT_MV and spans["I"] > _ALIVE_MV and spans["III"] > _ALIVE_MV:
            return "RA/RL"
        if spans["III"] < _FLAT_MV and spans["I"] > _ALIVE_MV and spans["II"] > _ALIVE_MV:
            return "LA/RL"
    if _polarity(-(first + second)) <= 0:
        return None
    turned = {"LA/RA": first, "RA/LL": second}
    opposed = {name: _correlation(row, sixth) for name, row in turned.items() if _polarity(row) < 0}
    name = min(opposed, key=opposed.__getitem__, default=None)
    return name if name is not None and opposed[name] < _OPPOSED else None


def _span(row: NDArray[np.float64]) -> float:
    low, high = np.percentile(row, [0.5, 99.5])
    return float(high - low)


def _polarity(row: NDArray[np.float64]) -> float:
    """Above zero when the tall deflections point up: the third moment about the median."""
    return float(np.sum(row**3))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale > 0 else 0.0

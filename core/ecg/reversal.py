"""Suspected swaps of the limb electrodes.

Each swap has a known effect on leads I and II (Batchvarov et al., Europace 9, 2007), and the chest leads say
what I and II should look like: a linear reconstruction of them is correlated with the leads as they stand and
with each swap undone, the idea of Kors and van Herpen (Am J Cardiol 88, 2001). Where V6 points down, as in a true
dextrocardia, nothing is said of these swaps. A swap with the right leg's electrode leaves lead II (right arm) or
III (left arm) almost flat (Peberdy and Ornato, Am J Emerg Med 11, 1993).

The coefficients are a least-squares fit to the 434 PTB-XL records at 100 Hz in the development data (Wagner et
al. 2020, CC BY 4.0), each scaled to the same power. In five-fold cross-validation (by record) on them, one
record as recorded raises an alarm (a paced rhythm); of simulated swaps LA/RA is found in 93 %, RA/LL in 95 %
and LA/LL, which hardly changes the shape of any lead, in 7 %. A simulated dextrocardia raises one in 0.7 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_FROM_CHEST = np.array([[-0.55, 0.22, 0.09, -0.13, 0.11, 0.34], [-0.02, -0.07, 0.10, 0.13, 0.08, 0.40]])
# Leads I and II as they were before the swap, from those after it; each matrix is its own inverse.
_SWAPS = ("LA/RA", "LA/LL", "RA/LL")
_UNDO = np.array([[[1, 0], [0, 1]], [[-1, 0], [-1, 1]], [[0, 1], [1, 0]], [[1, -1], [0, -1]]], np.float64)
_BETTER_BY = 0.3
_LEAST_CORRELATION = 0.4
_RATE = 100.0
_BASELINE_SECONDS = 0.6
_FLAT_MV = 0.12
_ALIVE_MV = 0.3


def suspect_reversal(
    signal: NDArray[np.float32], fs: float, leads: Sequence[str], flat: Sequence[str], units: Sequence[str]
) -> str | None:
    """Which two electrodes seem swapped: LA/RA, RA/LL, LA/LL, RA/RL or LA/RL; None when nothing speaks for it.

    Args:
        signal: [leads, n], NaN where samples are missing.
        fs: rate in Hz.
        leads: canonical names of the rows. Without I and II nothing is said; the swaps among arms and left
            leg need V1 to V6 too.
        flat: leads that show nothing.
        units: of the rows. Flatness needs mV, the reconstruction one unit for all leads.
    """
    rows = {lead: row for row, lead in enumerate(leads)}
    if "I" not in rows or "II" not in rows or signal.shape[1] < fs:
        return None
    step = max(1, int(fs / _RATE))
    limbs = [rows[lead] for lead in ("I", "II", "III") if lead in rows]
    if all(units[row] == "mV" for row in limbs):
        leg = _right_leg(_still(signal[limbs, ::step], fs / step), flat)
        if leg is not None:
            return leg
    eight = [rows.get(lead, -1) for lead in ("I", "II", *_CHEST)]
    if min(eight) < 0 or len({units[row] for row in eight}) > 1:
        return None
    both = _still(signal[eight, ::step], fs / step)
    return None if both is None else _better_undone(both[:2], both[2:])


def _still(rows: NDArray[np.float32], fs: float) -> NDArray[np.float64] | None:
    """The rows [k, n] less their moving mean over 0.6 s, without moments that lack a sample; None if too short."""
    finite = np.isfinite(rows).all(axis=0)
    values = rows.astype(np.float64) if finite.all() else rows[:, finite].astype(np.float64)
    half = max(1, round(_BASELINE_SECONDS * fs / 2))
    if values.shape[1] < max(fs, 2 * half + 1):
        return None
    padded = np.pad(values, ((0, 0), (half + 1, half)), mode="edge")
    sums = np.cumsum(padded, axis=1)
    return np.asarray(values - (sums[:, 2 * half + 1 :] - sums[:, : -2 * half - 1]) / (2 * half + 1))


def _right_leg(limbs: NDArray[np.float64] | None, flat: Sequence[str]) -> str | None:
    # A lead II that is flat to the last digit may never have been recorded: then lead III has to bear witness.
    if limbs is None or (len(limbs) == 2 and "II" in flat):
        return None
    three = limbs if len(limbs) == 3 else np.stack([limbs[0], limbs[1], limbs[1] - limbs[0]])
    cut = three.shape[1] // 200
    ordered = np.partition(three, (cut, -1 - cut), axis=1)
    first, second, third = ordered[:, -1 - cut] - ordered[:, cut]
    mirrored = float(np.ptp(three[0] + three[2])) < 2 * _FLAT_MV
    if second < _FLAT_MV and min(first, third) > _ALIVE_MV and mirrored:
        return "RA/RL"
    return "LA/RL" if third < _FLAT_MV and min(first, second) > _ALIVE_MV else None


def _better_undone(limbs: NDArray[np.float64], chest: NDArray[np.float64]) -> str | None:
    # Third moment: below zero where the tall deflections of V6 point down.
    if np.vdot(chest[-1] ** 2, chest[-1]) <= 0:
        return None
    expected = _FROM_CHEST @ chest
    # Correlation of the expected pair with each undone pair, from the 2 x 2 products of the four rows.
    products = np.einsum("sab,ba->s", _UNDO, limbs @ expected.T)
    powers = np.einsum("sab,bc,sac->s", _UNDO, limbs @ limbs.T, _UNDO) * np.vdot(expected, expected)
    if not (powers > 0).all():
        return None
    correlations = products / np.sqrt(powers)
    best = int(np.argmax(correlations))
    sure = correlations[best] > max(_LEAST_CORRELATION, correlations[0] + _BETTER_BY)
    return _SWAPS[best - 1] if best > 0 and sure else None

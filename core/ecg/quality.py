"""Signal quality of a recording: missing samples, flat, clipped and saturated leads, swapped electrodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.reversal import suspect_reversal

# A lead that stays within ten microvolts shows no heart.
_FLAT_MV = 0.01
_HELD_SECONDS = 0.02
_HELD_SAMPLES = 4


def flat_leads(low: NDArray[np.float32], high: NDArray[np.float32], units: Sequence[str]) -> NDArray[np.bool_]:
    """Rows whose range [low, high] is nothing: within 10 microvolts, or constant where the unit is unknown."""
    limit = np.array([_FLAT_MV if unit == "mV" else 0.0 for unit in units])
    return np.asarray(high - low <= limit)


def clipped_leads(
    signal: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32], fs: float
) -> NDArray[np.bool_]:
    """Rows that hold their lowest or highest value for 20 ms, at least four samples, far from where they rest."""
    held = max(_HELD_SAMPLES, int(_HELD_SECONDS * fs))
    found = np.zeros(len(signal), bool)
    if signal.shape[1] < held:
        return found
    for extreme in (low, high):
        at = signal == extreme[:, None]
        for row in np.flatnonzero(np.count_nonzero(at, axis=1) >= held):
            rest = float(np.nanmedian(signal[row]))
            far = abs(float(extreme[row]) - rest) > 0.25 * float(high[row] - low[row])
            found[row] |= far and _longest_run(at[row]) >= held
    return found


def _longest_run(there: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(there.astype(np.int8), prepend=0, append=0))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def saturated_leads(
    signal: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    adc_range: Sequence[tuple[float, float]],
) -> NDArray[np.bool_]:
    """Rows that stay for two samples or more at an end of what the converter can give.

    Writers that scale each lead to the converter's whole range touch its ends once and lose nothing.
    """
    ends = np.asarray(adc_range, np.float64)
    slack = 1e-6 * (ends[:, 1] - ends[:, 0])
    bottom, top = ends[:, 0] + slack, ends[:, 1] - slack
    found = np.zeros(len(signal), bool)
    for row in np.flatnonzero((low <= bottom) | (high >= top)):
        held = max(_longest_run(signal[row] <= bottom[row]), _longest_run(signal[row] >= top[row]))
        found[row] = held >= 2
    return found


@dataclass(slots=True)
class QualityTally:
    """Quality gathered over the windows of one recording.

    A lead is flat when it is so in every window, clipped or saturated when it is so in one; the suspected
    swap of electrodes is the one that most windows show.
    """

    windows: int = 0
    samples: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    flat: Counter[str] = field(default_factory=Counter)
    clipped: Counter[str] = field(default_factory=Counter)
    saturated: Counter[str] = field(default_factory=Counter)
    reversal: Counter[str] = field(default_factory=Counter)
    interpolated: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    leads: int = 0

    def add(
        self,
        signal: NDArray[np.float32],
        fs: float,
        leads: Sequence[str],
        units: Sequence[str],
        adc_range: Sequence[tuple[float, float]] | None,
    ) -> None:
        """Take in a window [leads, n], before its gaps are filled."""
        self.windows += 1
        self.leads = len(leads)
        self.samples += signal.shape[1]
        there: NDArray[np.bool_] = np.ones(len(leads), bool)
        low, high = signal.min(axis=1), signal.max(axis=1)
        # A NaN or an infinity anywhere shows in one of the two: whole signals are looked at no further.
        if not (np.isfinite(low) & np.isfinite(high)).all():
            finite = np.isfinite(signal)
            there = np.asarray(finite.any(axis=1))
            for lead, count in zip(leads, np.count_nonzero(~finite, axis=1), strict=True):
                self.absent[lead] += int(count)
            signal = np.where(finite, signal, np.nan)
            low, high = np.fmin.reduce(signal, axis=1), np.fmax.reduce(signal, axis=1)
        flat = flat_leads(low, high, units) & there
        self.flat.update(_named(leads, flat))
        self.clipped.update(_named(leads, clipped_leads(signal, low, high, fs) & ~flat))
        if adc_range is not None:
            self.saturated.update(_named(leads, saturated_leads(signal, low, high, adc_range) & there))
        swapped = suspect_reversal(signal, fs, leads, _named(leads, flat), units)
        if swapped is not None:
            self.reversal[swapped] += 1

    def add_gaps(self, interpolated: dict[str, int], dropped: Sequence[str]) -> None:
        """Take in what `fill_gaps` did to the window."""
        self.interpolated.update(interpolated)
        self.dropped.update(dropped)

    def result(self) -> dict[str, Any]:
        """The `quality` of the record."""
        said: dict[str, Any] = {
            "nan_fraction": round(sum(self.absent.values()) / max(1, self.samples * self.leads), 6),
            "flat": sorted(lead for lead, count in self.flat.items() if count == self.windows),
            "clipped": sorted(self.clipped),
            "saturated": sorted(self.saturated),
            "reversal": self._reversal(),
        }
        if self.absent:
            said["nan_leads"] = {
                lead: round(count / self.samples, 6) for lead, count in sorted(self.absent.items()) if count
            }
        if self.interpolated:
            said["interpolated"] = dict(sorted(self.interpolated.items()))
        if self.dropped:
            said["dropped"] = sorted(self.dropped)
        return said

    def _reversal(self) -> str | None:
        if not self.reversal:
            return None
        name, count = self.reversal.most_common(1)[0]
        return name if 2 * count > self.windows else None


def assess(
    signal: NDArray[np.float32],
    fs: float,
    leads: Sequence[str],
    units: Sequence[str],
    adc_range: Sequence[tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """The quality of one window.

    Args:
        signal: [leads, n], before its gaps are filled.
        fs: rate in Hz.
        leads: canonical names of the rows.
        units: of the rows; limits in microvolts need mV.
        adc_range: lowest and highest value that the converter of each lead can give, in its unit.

    Returns:
        `nan_fraction` of all samples, and of each lead that lacks some in `nan_leads`; names of leads that are
        `flat`, `clipped` and `saturated`; the suspected `reversal` of two electrodes, or None.
    """
    tally = QualityTally()
    tally.add(signal, fs, leads, units, adc_range)
    return tally.result()


def _named(leads: Sequence[str], which: NDArray[np.bool_]) -> list[str]:
    return [lead for lead, here in zip(leads, which, strict=True) if here]

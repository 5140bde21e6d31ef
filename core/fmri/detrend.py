"""Slow drifts: polynomials, cosines, and the local polynomial of Savitzky and Golay."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

_FORM = re.compile(r"(poly):(\d)|(cosine|sg):(\d+(?:\.\d+)?)")
_SG_ORDER = 2


@dataclass(frozen=True, slots=True)
class Drift:
    """What is taken for drift: `poly` of an order, `cosine` slower than a period, `sg` over a window, both in s."""

    kind: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Drift:
        """`poly:1`, `cosine:128`, `sg:120`. Raises ValueError."""
        found = _FORM.fullmatch(text)
        if re.fullmatch(r"poly:\d\d+", text):
            raise ValueError(f"{text}: the order of a polynomial is 0 to 9; cosine:SECONDS takes out faster drifts")
        if found is None or (found[3] and float(found[4]) <= 0):
            raise ValueError(f"{text} is no detrending: poly:ORDER, cosine:SECONDS or sg:SECONDS")
        return cls(found[1] or found[3], float(found[2] or found[4]))

    def __str__(self) -> str:
        return f"{self.kind}:{self.value:g}"


def polynomials(count: int, order: int) -> NDArray[np.float64]:
    """Orthonormal polynomials up to an order, [time, order + 1]."""
    if order >= count:
        raise InputError("too-short", f"a polynomial of order {order} needs more than {count} volumes")
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, count), order + 1, increasing=True))
    return basis


def cosines(count: int, tr: float, period: float) -> NDArray[np.float64]:
    """The discrete cosines of periods above `period` seconds, [time, n]; the constant is not among them.

    As in SPM and nilearn: n = floor(2 * duration / period).
    """
    number = int(np.floor(2 * count * tr / period))
    if number < 1:
        raise InputError("too-short", f"a run of {count * tr:g} s holds no cosine slower than {period:g} s")
    if number >= count:
        raise InputError("too-short", f"cosines down to {period:g} s leave nothing of volumes {tr:g} s apart")
    steps = (np.arange(count) + 0.5)[:, None] * np.arange(1, number + 1)[None, :]
    basis: NDArray[np.float64] = np.sqrt(2 / count) * np.cos(np.pi / count * steps)
    return basis


def without_local_trend(signal: NDArray[np.float64], tr: float, window: float) -> NDArray[np.float64]:
    """What a polynomial of order 2, fitted to `window` seconds around each time, leaves; [time, n].

    Savitzky and Golay 1964 (doi:10.1021/ac60214a047); the window is the next odd number of volumes.
    """
    from scipy.signal import savgol_filter

    width = round(window / tr) | 1
    if width <= _SG_ORDER or width > len(signal):
        raise InputError("too-short", f"a window of {window:g} s is {width} volumes; the run has {len(signal)}")
    left: NDArray[np.float64] = signal - savgol_filter(signal, width, _SG_ORDER, axis=0)
    return left

"""Responses without what is not the brain's: drift, confounds, fast noise; exact and linear for every voxel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.detrend import Drift, cosines, polynomials, without_local_trend
from medpipe.core.fmri.low_pass import low_passed
from medpipe.core.fmri.scrubbing import filled

# Of a voxel's own size: what is left below it is rounding.
_NOTHING = 1e-5


@dataclass(frozen=True, slots=True)
class CleanOptions:
    """What is taken out, in this order: `poly` drifts, `sg` drifts, fast noise, then cosines and confounds at once.

    Args:
        drifts: as given with --detrend.
        low_pass: Hz.
        zscore: mean 0 and sample standard deviation 1 for every voxel.
    """

    drifts: tuple[Drift, ...] = ()
    low_pass: float | None = None
    zscore: bool = False

    @property
    def filters(self) -> bool:
        """Whether a step needs equally spaced times."""
        return self.low_pass is not None or any(one.kind == "sg" for one in self.drifts)


@dataclass(slots=True)
class Cleaner:
    """The steps for one run.

    Polynomials, cosines and confounds are one projection: what is left is orthogonal to all of them, as in nilearn's
    `clean` with `filter="cosine"`. Filters run over confounds and cosines as they run over the responses, so that the
    projection, which comes after them, does not bring back what they stopped (Lindquist et al. 2019,
    doi:10.1002/hbm.24528). Without a polynomial or `zscore` a voxel keeps its mean.

    Args:
        options: the steps.
        tr: seconds.
        keep: [time], false where a volume is scrubbed.
        confounds: [time, n], or None.
    """

    options: CleanOptions
    tr: float
    keep: NDArray[np.bool_]
    confounds: NDArray[np.float64] | None = None
    _trend: NDArray[np.float64] | None = field(init=False, default=None)
    _basis: NDArray[np.float32] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        count, kept = len(self.keep), int(self.keep.sum())
        orders = [int(one.value) for one in self.options.drifts if one.kind == "poly"]
        if orders:
            self._trend = polynomials(count, max(orders))
        parts = [cosines(count, self.tr, one.value) for one in self.options.drifts if one.kind == "cosine"]
        if self.confounds is not None:
            parts.append(self.confounds.astype(np.float64))
        columns = sum(part.shape[1] for part in parts) + (0 if self._trend is None else self._trend.shape[1])
        if columns >= kept:
            raise InputError("too-short", f"{columns} regressors leave nothing of {kept} volumes")
        bases = []
        if parts:
            bases.append(_orthonormal(self._filtered(np.concatenate(parts, axis=1))[self.keep]))
        if self._trend is not None and not self.options.filters:
            bases.append(np.linalg.qr(self._trend[self.keep])[0])
        if bases:
            self._basis = np.concatenate(bases, axis=1).astype(np.float32)

    def __call__(self, signal: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The kept volumes of a block of voxels, clean, and which of the voxels had nothing but rounding left.

        Args:
            signal: [time, voxels], all of it finite.

        Returns:
            [kept, voxels], and [voxels]: constant from the beginning, or explained altogether.
        """
        centre = signal.mean(axis=0, dtype=np.float64)
        # About their means, values have the digits that single precision holds.
        moving = signal - centre
        left = (self._filtered(moving) if self.options.filters else moving)[self._kept()].astype(np.float32)
        size = np.sqrt(np.einsum("tv,tv->v", left, left) / len(left))
        constant: NDArray[np.bool_] = (signal == signal[0]).all(axis=0)
        if self._basis is not None:
            left -= self._basis @ (self._basis.T @ left)
        if self.options.zscore:
            constant |= _standardise(left, size)
        elif self._trend is None:
            left += centre.astype(np.float32)
        left[:, constant & (self._trend is not None or self.options.zscore)] = 0
        return left, constant

    def _kept(self) -> Any:
        # A slice copies nothing.
        return slice(None) if self.keep.all() else self.keep

    def _filtered(self, signal: NDArray[np.float64]) -> NDArray[np.float64]:
        """[time, n] without polynomials and what the filters stop, all times still there."""
        if self._trend is not None:
            # Scrubbed volumes do not bend the trend.
            weights = np.linalg.lstsq(self._trend[self.keep], signal[self.keep])[0]
            signal = signal - self._trend @ weights
        if self.options.filters:
            signal = filled(signal, self.keep)
        for drift in self.options.drifts:
            if drift.kind == "sg":
                signal = without_local_trend(signal, self.tr, drift.value)
        if self.options.low_pass is not None:
            signal = low_passed(signal, self.tr, self.options.low_pass)
        return signal


def _standardise(signal: NDArray[np.float32], size: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mean 0 and sample standard deviation 1 in place; true, and zeros, where nothing is left of a size."""
    if len(signal) < 2:
        raise InputError("too-short", f"{len(signal)} volumes have no standard deviation")
    signal -= signal.mean(axis=0)
    spread = np.sqrt(np.einsum("tv,tv->v", signal, signal) / (len(signal) - 1))
    nothing: NDArray[np.bool_] = spread <= _NOTHING * size
    signal *= np.where(nothing, 0, 1 / np.where(nothing, 1, spread)).astype(np.float32)
    return nothing


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """A basis of the columns, each about its mean and of one size; [time, rank]."""
    centred = columns - columns.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    # A constant column, such as an outlier that was scrubbed, says nothing.
    told = size > 1e-12 * np.maximum(np.abs(columns).max(axis=0), 1e-300)
    left, strength, _ = np.linalg.svd(centred[:, told] / size[told], full_matrices=False)
    if not strength.size:
        return left
    return left[:, strength > strength[0] * len(columns) * np.finfo(np.float64).eps]

"""Means over the parcels of an atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ParcelMeans:
    """The mean of each parcel's voxels, those left out that are not finite.

    Args:
        labels: of each voxel; [voxels].
    """

    def __init__(self, labels: NDArray[np.int64]) -> None:
        self.names, self.places = np.unique(labels, return_inverse=True)
        self._sizes = np.bincount(self.places).astype(np.float64)
        # Voxels that were left out of a volume at least once.
        self.absent = np.zeros(len(labels), bool)

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Means, [parcels], of one volume's values, [voxels]; NaN where no voxel of a parcel has a value."""
        finite = np.isfinite(values)
        if finite.all():
            return self._sums(values) / self._sizes
        self.absent |= ~finite
        sizes = np.bincount(self.places, weights=finite, minlength=len(self.names))
        return np.where(sizes > 0, self._sums(np.where(finite, values, 0)) / np.maximum(sizes, 1), np.nan)

    def _sums(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(self.places, weights=values, minlength=len(self.names)).astype(np.float64)

"""Means over the parcels of an atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ParcelMeans:
    """The mean of each parcel's voxels.

    Args:
        labels: of each voxel, 0 for none; [voxels].
    """

    def __init__(self, labels: NDArray[np.int64]) -> None:
        self.names, self.places = np.unique(labels, return_inverse=True)
        self._sizes = np.bincount(self.places).astype(np.float64)

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Means, [parcels], of one volume's values, [voxels]."""
        return np.bincount(self.places, weights=values, minlength=len(self.names)) / self._sizes

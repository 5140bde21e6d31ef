"""A simulated scan: responses and noise at a stated explainable variance, in the voxels of a small head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.scan_noise import ScanNoise
from medpipe.core.fmri.simulated_subject import Subject

# int16 counts are sixteenths: the rounding is far below the noise.
SLOPE: Final = 1 / 16
VOXEL_MM: Final = 4.0
_NOISE_SHARE = 0.02
_LEVEL = (700.0, 1100.0)
_OUTSIDE = 20.0
_RADIUS = 0.9


@dataclass(frozen=True, slots=True)
class Head:
    """The grid.

    Args:
        mask: [x, y, z].
        affine: [4, 4], from voxels to mm; the middle of the grid is 0.
        level: [voxels], the mean of each voxel of the mask.
    """

    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    level: NDArray[np.float64]


def make_head(shape: tuple[int, int, int], rng: np.random.Generator) -> Head:
    """An ellipsoid in a grid of `shape` voxels of 4 mm."""
    axes = [(np.arange(size) - (size - 1) / 2) / (size / 2 * _RADIUS) for size in shape]
    distance = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))
    mask = np.asarray(distance < 1)
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = -VOXEL_MM * (np.array(shape) - 1) / 2
    return Head(mask, affine, rng.uniform(*_LEVEL, int(mask.sum())))


def mixed(subject: Subject, signal: NDArray[np.float32], noise: ScanNoise, explainable: float) -> NDArray[np.float32]:
    """Responses [volumes, voxels] of variance 1, of which `explainable` is signal where a voxel is active.

    Args:
        subject: whose silent voxels have noise alone.
        signal: [volumes, voxels], of variance 1 over all stories.
        noise: of variance 1.
        explainable: from 0 to 1.
    """
    share = np.where(subject.active, explainable, 0.0)
    made: NDArray[np.float64] = np.sqrt(share) * signal + np.sqrt(1 - share) * noise.values
    return made.astype(np.float32)


def counts(values: NDArray[np.float32], head: Head, rng: np.random.Generator) -> NDArray[np.int16]:
    """A scan's int16 counts [x, y, z, volumes] of responses [volumes, voxels]; SLOPE brings them to its unit."""
    scaled = head.level * (1 + _NOISE_SHARE * values) / SLOPE
    outside = rng.standard_normal((*head.mask.shape, len(values)), np.float32)
    volume = np.abs(outside * np.float32(_OUTSIDE / SLOPE))
    volume[head.mask] = scaled.T
    limit = np.iinfo(np.int16)
    np.clip(np.rint(volume, out=volume), limit.min, limit.max, out=volume)
    made: NDArray[np.int16] = volume.astype(np.int16)
    return made

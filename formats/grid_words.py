"""Grids of voxels in words, for messages: sizes, directions, where they begin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Shares of voxels' edges, and of the cosine between them.
_SAME = 1e-3


def grid_words(shape: Sequence[int], affine: NDArray[np.float64]) -> str:
    """Such as `64x64x30 voxels of 3x3x4 mm, axes to R, A, S, first at -95, -90, -60 mm`.

    Args:
        shape: [x, y, z].
        affine: [4, 4], from voxels to mm.
    """
    size, edge = "x".join(map(str, shape)), "x".join(f"{one:.3g}" for one in _edges(affine))
    first = ", ".join(f"{one:.1f}" for one in affine[:3, 3])
    return f"{size} voxels of {edge} mm, axes to {', '.join(_directions(affine))}, first at {first} mm"


def against(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """How a grid is turned against another: `flipped along its axis x (L, the image R)`, `turned`, `stretched`.

    Args:
        one: [4, 4], from voxels to mm.
        other: the same, of the image.
    """
    cosines = np.sum(one[:3, :3] * other[:3, :3], axis=0) / (_edges(one) * _edges(other))
    parallel = np.abs(np.abs(cosines) - 1) <= _SAME
    flipped = [axis for axis in range(3) if cosines[axis] < 0]
    if parallel.all() and flipped:
        mine, theirs = _directions(one), _directions(other)
        named = ", ".join(f"{'xyz'[axis]} (to {mine[axis]}, that of the image to {theirs[axis]})" for axis in flipped)
        return f"flipped along {named}"
    if parallel.all() and not np.allclose(_edges(one), _edges(other), rtol=_SAME):
        edges = ["x".join(f"{size:.3g}" for size in _edges(grid)) for grid in (one, other)]
        return f"stretched (voxels of {edges[0]} mm, those of the image {edges[1]} mm)"
    axes = [", ".join(_directions(grid)) for grid in (one, other)]
    return f"turned (axes to {axes[0]}, those of the image to {axes[1]})" if axes[0] != axes[1] else "turned"


def _edges(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    edges: NDArray[np.float64] = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    return edges


def _directions(affine: NDArray[np.float64]) -> list[str]:
    from nibabel.orientations import aff2axcodes

    return [str(code) for code in aff2axcodes(affine)]

"""Masks and atlases of grayordinates and vertices: which places of a run are meant."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.gifti_series import UNKNOWN
from medpipe.formats.gifti_stream import gifti_arrays
from medpipe.formats.series import Series


@dataclass(frozen=True, slots=True)
class SurfaceGrid:
    """Values at places.

    Args:
        values: [places]; bool for a mask, int64 for an atlas, 0 where nothing is meant.
        structures: as `facts` of a Series has them: name, start, stop, and of surfaces their number of vertices.
        indices: `vertices` and, of CIFTI, `voxels` of each place.
        affine: of the voxels; None where there are none.
    """

    values: NDArray[Any]
    structures: Sequence[Mapping[str, Any]]
    indices: Mapping[str, NDArray[Any]]
    affine: NDArray[np.float64] | None = None

    def digest(self) -> str:
        """sha256 of the places and their values, whatever file they came from."""
        content = hashlib.sha256(repr([dict(one) for one in self.structures]).encode())
        if self.affine is not None:
            content.update(np.round(self.affine, 3).astype("<f8").tobytes())
        for name in sorted(self.indices):
            content.update(np.ascontiguousarray(self.indices[name], "<i4").tobytes())
        content.update(np.ascontiguousarray(self.values, "<i8").tobytes())
        return content.hexdigest()

    def at(self, what: str, series: Series) -> NDArray[Any]:
        """The values at a run's places, 0 where this has none. FormatError where they are not of the same surfaces.

        Args:
            what: `mask` or `atlas`, for the message.
            series: that run.
        """
        found = np.zeros(series.shape[0], self.values.dtype)
        met = False
        for part in series.facts["structures"]:
            for own in self.structures:
                if own["name"] == part["name"] or UNKNOWN in (own["name"], part["name"]):
                    found[part["start"] : part["stop"]] = self._part(what, own, part, series)
                    met = True
        if not met:
            names = [
                ", ".join(str(one["name"]) for one in side) for side in (self.structures, series.facts["structures"])
            ]
            raise FormatError("other-space", f"the {what} is of {names[0]}, the run of {names[1]}")
        return found

    def _part(self, what: str, own: Mapping[str, Any], part: Mapping[str, Any], series: Series) -> NDArray[Any]:
        sizes = own.get("surface"), part.get("surface")
        if sizes[0] != sizes[1]:
            said = [f"{size} vertices" if size else "voxels" for size in sizes]
            raise FormatError("other-space", f"{own['name']} of the {what} has {said[0]}, that of the run {said[1]}")
        here, there = slice(own["start"], own["stop"]), slice(part["start"], part["stop"])
        if sizes[0]:
            return _looked_up(self.indices["vertices"][here], series.indices["vertices"][there], self.values[here])
        affine = np.asarray(series.facts["affine"])
        if self.affine is None or not np.allclose(self.affine, affine, atol=1e-3):
            raise FormatError("other-space", f"the voxels of the {what} lie elsewhere than those of the run")
        own_voxels, voxels = self.indices["voxels"][here], series.indices["voxels"][there]
        size = np.maximum(own_voxels.max(axis=0), voxels.max(axis=0)) + 1
        keys = [np.ravel_multi_index(tuple(one.T), tuple(size)) for one in (own_voxels, voxels)]
        return _looked_up(keys[0], keys[1], self.values[here])


def _looked_up(own: NDArray[Any], wanted: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    table = np.zeros(int(max(own.max(), wanted.max())) + 1, values.dtype)
    table[own] = values
    return np.asarray(table[wanted])


def gifti_values(path: str) -> tuple[NDArray[Any], SurfaceGrid]:
    """The one array of a label or shape file, and its places without values. FormatError."""
    arrays = [one for one in gifti_arrays(path) if one.values is not None]
    if len(arrays) != 1 or len(arrays[0].shape) != 1:
        raise FormatError("not-3d", f"a mask or an atlas is one array of vertices, this file has {len(arrays)} arrays")
    values = np.asarray(arrays[0].values)
    name = arrays[0].file_meta.get("AnatomicalStructurePrimary") or UNKNOWN
    structures = [{"name": name, "start": 0, "stop": values.size, "surface": values.size}]
    return values, SurfaceGrid(values, structures, {"vertices": np.arange(values.size, dtype="<i4")})


def cifti_values(image: Any) -> tuple[NDArray[Any], SurfaceGrid]:
    """The one map of a dense scalar or label file, and its places without values. FormatError."""
    from medpipe.formats.cifti_series import dense_axes, dense_places

    maps, places = dense_axes(image)
    if len(maps) != 1:
        raise FormatError("not-3d", f"a mask or an atlas is one map, this file has {len(maps)}")
    try:
        values = np.asarray(image.dataobj)[0]
    except Exception as error:  # a damaged file may raise anything at all
        raise FormatError("truncated", "the CIFTI file is damaged or ends early") from error
    facts, indices = dense_places(places)
    affine = None if places.affine is None else np.asarray(places.affine, np.float64)
    return values, SurfaceGrid(values, facts["structures"], indices, affine)

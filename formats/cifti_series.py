"""Runs in CIFTI-2 dense series (`.dtseries.nii`): the grayordinates of two surfaces and the voxels beneath them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.series import Series

_SECONDS = {"SECOND": 1.0}


@dataclass(slots=True)
class CiftiSeries(Series):
    """See Series; [grayordinates, time]. On disk the times of a grayordinate lie together."""

    image: Any = None

    @classmethod
    def of(cls, path: str, image: Any) -> CiftiSeries:
        """The series of an image that nibabel has opened. FormatError when it is no dense series."""
        from nibabel import cifti2

        times, places = dense_axes(image)
        if not isinstance(times, cifti2.SeriesAxis):
            raise FormatError("not-4d", "the CIFTI file is no dense series (.dtseries.nii)")
        facts, indices = dense_places(places)
        tr = float(times.step) * _SECONDS[times.unit] if times.unit in _SECONDS else None
        return cls(
            "cifti", path, (len(places), len(times)), image.get_data_dtype(), tr, facts, indices, image=image,
        )  # fmt: skip

    def columns(self, start: int, stop: int) -> NDArray[Any]:
        """See Series."""
        try:
            return np.asarray(self.image.dataobj[:, start:stop])
        except Exception as error:  # a damaged file may raise anything at all
            raise FormatError("truncated", "the CIFTI file is damaged or ends early") from error


def dense_axes(image: Any) -> tuple[Any, Any]:
    """The axis of times or maps and that of places of a dense file. FormatError when it is none."""
    from nibabel import cifti2

    try:
        axes = [image.header.get_axis(number) for number in range(image.ndim)]
    except Exception as error:  # a damaged matrix may raise anything at all
        raise FormatError("bad-header", "the CIFTI matrix is damaged") from error
    if len(axes) != 2 or not isinstance(axes[1], cifti2.BrainModelAxis):
        raise FormatError("not-4d", "the CIFTI file is no dense one: its places are no grayordinates")
    return axes[0], axes[1]


def dense_places(places: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What the record says of the places of a dense file, and their indices."""
    structures = []
    for name, where, _ in places.iter_structures():
        part: dict[str, Any] = {"name": name, "start": int(where.start or 0), "stop": int(where.stop or len(places))}
        if name in places.nvertices:
            part["surface"] = int(places.nvertices[name])
        structures.append(part)
    facts: dict[str, Any] = {"structures": structures}
    if places.affine is not None:
        facts = {"affine": np.asarray(places.affine, np.float64).tolist(), **facts}
    return facts, {"voxels": np.asarray(places.voxel, "<i4"), "vertices": np.asarray(places.vertex, "<i4")}

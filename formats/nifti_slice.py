"""One slice of a NIfTI volume as radiology shows it: the patient's right, or front, on the left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.grey_levels import Range, Voi, given_window, levels
from medpipe.formats.image import Image
from medpipe.formats.silence import silence

# The axis of right-anterior-superior coordinates that is cut, and those of columns and rows.
_PLANES: Final = {"axial": (2, 0, 1), "coronal": (1, 0, 2), "sagittal": (0, 1, 2)}
_WANTED: Final = re.compile(r"(axial|coronal|sagittal):(mid|\d+)")


@dataclass(frozen=True, slots=True)
class Slice:
    """Which slice: a plane, and its number from the patient's right, back or foot; None for the middle."""

    plane: str
    number: int | None

    @classmethod
    def parse(cls, text: str) -> Slice:
        """`axial:mid`, `coronal:40`. Raises ValueError."""
        found = _WANTED.fullmatch(text)
        if found is None:
            raise ValueError(f"{text} is no slice: axial, coronal or sagittal, then :mid or :NUMBER")
        return cls(found[1], None if found[2] == "mid" else int(found[2]))


def open_slice(path: str, wanted: str | None, voi: str = "file") -> list[Image]:
    """The slice of a volume, of a series the first volume's. Raises FormatError."""
    if wanted is None:
        raise FormatError("no-slice", "a NIfTI volume is no picture: choose a slice, such as --slice axial:mid")
    import nibabel

    try:
        with silence():
            volume: Any = nibabel.load(path)
        orientation = nibabel.io_orientation(volume.affine)
        zooms = [float(zoom) for zoom in volume.header.get_zooms()[:3]]
    except Exception as error:  # a damaged header may raise anything at all
        raise FormatError("bad-header", "the NIfTI file is damaged") from error
    if len(volume.shape) < 3 or min(volume.shape) < 1 or np.isnan(orientation).any():
        raise FormatError("bad-header", "the NIfTI file holds no volume that lies in space")
    if volume.get_data_dtype().kind not in "iuf":
        raise FormatError(
            "bad-header", "the NIfTI volume holds colours or complex numbers: one real value a voxel is read"
        )
    return [_slice(volume, orientation, zooms, Slice.parse(wanted), voi)]


def _slice(volume: Any, orientation: NDArray[Any], zooms: list[float], wanted: Slice, voi: str) -> Image:
    """Axes of the file are found by what they mean: `orientation` gives for each its meaning and direction."""
    cut, across, down = (int(np.flatnonzero(orientation[:, 0] == axis)[0]) for axis in _PLANES[wanted.plane])
    size = volume.shape[cut]
    number = size // 2 if wanted.number is None else wanted.number
    if number >= size:
        raise FormatError("no-slice", f"the volume has {size} {wanted.plane} slices, 0 to {size - 1}")
    place = number if orientation[cut, 1] > 0 else size - 1 - number
    said: dict[str, Any] = {"slice": f"{wanted.plane} {number} of {size}"}
    if len(volume.shape) > 3 and max(volume.shape[3:]) > 1:
        said["volume"] = f"the first of {int(np.prod(volume.shape[3:]))}"

    def values() -> NDArray[Any]:
        index: list[Any] = [slice(None)] * 3 + [0] * (len(volume.shape) - 3)
        index[cut] = place
        try:
            plane = np.asarray(volume.dataobj[tuple(index)])
        except Exception as error:  # a damaged file may raise anything at all
            raise FormatError("truncated", "the NIfTI file is damaged or ends early") from error
        plane = plane if across < down else plane.T
        # Now [across, down], pointing right or to the front, and to the front or up.
        plane = plane[:: int(orientation[across, 1]), :: int(orientation[down, 1])]
        return np.ascontiguousarray(plane[::-1].T[::-1])

    shown = None if voi == "none" else _voi(volume, values, voi)
    shape = (volume.shape[down], volume.shape[across])
    dtype = np.dtype(np.float32) if shown is None else np.dtype(np.uint8)

    def read() -> NDArray[Any]:
        plane = values()
        return plane.astype(np.float32) if shown is None else levels(plane.astype(np.float64), shown, inverted=False)

    facts = {"voi": shown.facts() if shown is not None else None}
    return Image("nifti", shape, dtype, read, spacing=(zooms[down], zooms[across]), pixels=facts, said=said)


def _voi(volume: Any, values: Any, voi: str) -> Voi:
    given = given_window(voi)
    if given is not None:
        return given
    low, high = float(volume.header["cal_min"]), float(volume.header["cal_max"])
    if high > low:
        return Range(low, high, "the header")
    plane = values()
    finite = plane[np.isfinite(plane)]
    if not finite.size:
        raise FormatError("no-window", "the slice holds no finite value")
    return Range(float(finite.min()), float(finite.max()), "the slice")

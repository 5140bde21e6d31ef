"""Where a DICOM frame lies: spacing and orientation, at the top or in functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import Any

import numpy as np

from medpipe.formats.errors import FormatError

# By PS3.3: in the patient, then at the detector, which a magnified projection makes larger.
_SPACINGS = (("PixelSpacing", ""), ("ImagerPixelSpacing", "at the detector"),
             ("NominalScannedPixelSpacing", "of the scanned film"))  # fmt: skip


def frame_items(data: Any, number: int) -> list[Any]:
    """The functional groups of a frame: its own before the shared ones; none for a plain image."""
    own, shared = data.get("PerFrameFunctionalGroupsSequence"), data.get("SharedFunctionalGroupsSequence")
    if own and number >= len(own):
        raise FormatError("bad-header", "the DICOM object describes fewer frames than it holds")
    return [*([own[number]] if own else []), *([shared[0]] if shared else [])]


def measures(data: Any, items: list[Any]) -> tuple[tuple[float, float] | None, list[float] | None, dict[str, Any]]:
    """Spacing in mm, direction cosines, and what is to be said of them."""
    said: dict[str, Any] = {}
    spacing = None
    for keyword, where in _SPACINGS:
        spacing = _numbers(_found(data, items, "PixelMeasuresSequence", keyword), 2)
        if spacing is not None and min(spacing) > 0:
            if where:
                said["spacing"] = where
            break
        spacing = None
    orientation = _numbers(_found(data, items, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    if orientation is None and (sides := data.get("PatientOrientation")):
        said["directions"] = [str(side) for side in sides]
    return (spacing[0], spacing[1]) if spacing else None, orientation, said


def _found(data: Any, items: list[Any], sequence: str, keyword: str) -> Any:
    for item in items:
        inner = item.get(sequence)
        if inner and inner[0].get(keyword):
            return inner[0].get(keyword)
    return data.get(keyword)


def _numbers(value: Any, count: int) -> list[float] | None:
    """A value of `count` finite numbers, or None for any other."""
    try:
        found = [float(number) for number in value or []]
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and np.isfinite(found).all() else None

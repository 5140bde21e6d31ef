"""Boxes as a DICOM presentation state (PS3.3 A.33.1), which a viewer lays over the image that it refers to."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from medpipe.formats.errors import FormatError

_LAYER: Final = "BOXES"
_MAKER: Final = "medpipe"
Scored = tuple[str, tuple[float, float, float, float], float | None]


def presentation_state(path: str, frame: int | None, boxes: Sequence[Scored], version: str) -> bytes:
    """A file with every box as a closed line and its label above it; `frame` counts from 0 in a multi-frame image.

    It belongs to the patient's study, and holds what identifies them as the image does. Coordinates are pixels whose
    first begins at 0, as records have them (C.10.5). Raises FormatError (`no-presentation-state`).
    """
    try:
        import highdicom
        import pydicom
    except ImportError:
        raise FormatError("no-presentation-state", "highdicom writes them: pip install 'medpipe[dicom]'") from None
    try:
        image = pydicom.dcmread(path, force=True)
        _check(image, boxes)
        # Its warnings and errors may quote the patient's name.
        with warnings.catch_warnings(action="ignore"):
            made = _made(highdicom, image, frame, boxes, version)
    except FormatError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        if frame is not None and isinstance(error, TypeError):
            said = f"no frame of a file of {image.SOPClassUID.name} can be referred to: images of that class have one"
            raise FormatError("no-presentation-state", said) from None
        said = f"the image takes no presentation state ({type(error).__name__})"
        raise FormatError("no-presentation-state", said) from None
    except AttributeError as error:
        said = f"the image takes no presentation state: it has no {error.name}"
        raise FormatError("no-presentation-state", said) from None
    out = io.BytesIO()
    made.save_as(out)
    return out.getvalue()


def _check(image: Any, boxes: Sequence[Scored]) -> None:
    if image.get("SamplesPerPixel") != 1:
        raise FormatError("no-presentation-state", "a presentation state is written for images of grey values alone")
    size = image.get("Columns", 0), image.get("Rows", 0)
    if any(min(left, top) < 0 or right > size[0] or bottom > size[1] for _, (left, top, right, bottom), _ in boxes):
        raise FormatError("no-presentation-state", f"a box lies outside the image of {size[0]} x {size[1]}")


def _made(highdicom: Any, image: Any, frame: int | None, boxes: Sequence[Scored], version: str) -> Any:
    from highdicom.pr import (
        GraphicAnnotation,
        GraphicLayer,
        GraphicObject,
        GrayscaleSoftcopyPresentationState,
        TextObject,
    )

    layer = GraphicLayer(_LAYER, order=1, description="boxes found")
    lines, words = [], []
    for label, (left, top, right, bottom), score in boxes:
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]])
        lines.append(GraphicObject(graphic_type="POLYLINE", graphic_data=corners, units="PIXEL"))
        said = label if score is None else f"{label} {score:.2f}"
        words.append(TextObject(text_value=said, units="PIXEL", anchor_point=(left, top)))
    annotations = None
    if boxes:
        annotations = [
            GraphicAnnotation(
                referenced_images=[image], graphic_layer=layer, graphic_objects=lines, text_objects=words,
                referenced_frame_number=None if frame is None else frame + 1,
            )
        ]  # fmt: skip
    return GrayscaleSoftcopyPresentationState(
        referenced_images=[image], series_instance_uid=highdicom.UID(), series_number=9000,
        sop_instance_uid=highdicom.UID(), instance_number=1, manufacturer=_MAKER, manufacturer_model_name=_MAKER,
        software_versions=version, device_serial_number="0", content_label="BOXES",
        graphic_layers=[layer] if boxes else None, graphic_annotations=annotations,
    )  # fmt: skip

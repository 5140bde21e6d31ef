"""What identifies a person in the files behind records: said in the record, or a reason to stop it."""

from __future__ import annotations

from typing import Any

from medpipe.formats.dicom_identity import reasons
from medpipe.formats.errors import FormatError
from medpipe.formats.image import ImagePixels
from medpipe.formats.jsonl import Record
from medpipe.formats.record import EcgSignal

_NOTHING: dict[str, Any] = {"burned_in": "unknown", "recognizable": "unknown", "deidentified": "unknown",
                            "tags": None, "private": None}  # fmt: skip


def with_identity(record: Record, *, refuse: bool) -> Record:
    """The record with `phi`: flags of burned-in annotation, identifying elements by name, never their values.

    Where nobody has looked, tags and private are null. With `refuse` a record that may identify somebody, or of which
    nobody knows, raises FormatError (`phi`).
    """
    opened = record.get("image", record.get("signal"))
    source = opened.image if isinstance(opened, ImagePixels) else opened.ecg if isinstance(opened, EcgSignal) else None
    facts = source.identity() if source is not None and source.identity is not None else record.get("phi", _NOTHING)
    if refuse and facts["tags"] is None:
        raise FormatError(
            "phi", "nobody has looked whether it identifies a person: DICOM, PNG, JPEG and TIFF files are"
        )
    if refuse and (found := reasons(facts)):
        raise FormatError("phi", f"it may identify a person: {', '.join(found)}")
    return {**record, "phi": facts}

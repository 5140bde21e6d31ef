"""What identifies a person in the files behind records: said in the record, or a reason to stop it."""

from __future__ import annotations

from typing import Any

from medpipe.formats.dicom_identity import identifies
from medpipe.formats.errors import FormatError
from medpipe.formats.image import ImagePixels
from medpipe.formats.jsonl import Record
from medpipe.formats.record import EcgSignal

_NOTHING: dict[str, Any] = {"burned_in": "unknown", "recognizable": "unknown", "tags": [], "private": 0}


def with_identity(record: Record, *, refuse: bool) -> Record:
    """The record with `phi`: flags of burned-in annotation, identifying elements by name, never their values.

    A file whose format has no such header names none, and nobody knows what is burned in. With `refuse` a record
    that may identify somebody raises FormatError (`phi`).
    """
    opened = record.get("image", record.get("signal"))
    source = opened.image if isinstance(opened, ImagePixels) else opened.ecg if isinstance(opened, EcgSignal) else None
    facts = source.identity() if source is not None and source.identity is not None else record.get("phi", _NOTHING)
    if refuse and identifies(facts):
        burned = ["burned-in annotation"] if facts["burned_in"] == "yes" else []
        face = ["recognizable features"] if facts["recognizable"] == "yes" else []
        raise FormatError("phi", f"it may identify a person: {', '.join([*burned, *face, *facts['tags']])}")
    return {**record, "phi": facts}

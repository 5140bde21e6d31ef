"""Reports made ready for a text encoder as MERL's released preprocessing does (MIMIC-IV-ECG, arXiv 2403.06659)."""

from __future__ import annotations

import re

_MARKS = re.compile(r"^[*=\-\s]+|[*=\-\s]+$")


def cleaned(report: str, fewest: int = 1) -> str | None:
    """EKG as ECG, runs of marks at the ends off, lower case, one line, a full stop; None for fewer words than that."""
    text = _MARKS.sub("", report.replace("EKG", "ECG"))
    text = " ".join(text.lower().split())
    if len(text.split()) < fewest:
        return None
    return text if text.endswith(".") else text + "."

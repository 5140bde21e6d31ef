"""Files that nibabel opens, with nothing of it on standard error and every failure a FormatError."""

from __future__ import annotations

import logging
from typing import Any

from medpipe.formats.errors import FormatError


def load_image(path: str, what: str) -> Any:
    """The image, its values not yet read where the format allows that. FormatError when it cannot be opened.

    Args:
        path: of the file.
        what: is damaged then: `NIfTI header`, for the message.
    """
    import nibabel

    # It mends small faults of headers and tells of each.
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
    try:
        return nibabel.load(path)
    except Exception as error:  # a damaged file may raise anything at all
        raise FormatError("bad-header", f"the {what} is damaged or ends early") from error

"""The image that a record was made of, read again from its file."""

from __future__ import annotations

from typing import Any

from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image
from medpipe.formats.registry import ReadOptions, open_file
from medpipe.formats.sniff import sniff


def source_image(source: dict[str, Any], read: ReadOptions) -> Image:
    """Of a record's `source`, with its `path`, and its `index` in a file of several. FormatError where it is none."""
    path, index = str(source["path"]), source.get("index", 0)
    every = open_file(path, sniff(path), read)
    found = every[index] if type(index) is int and 0 <= index < len(every) else None
    if not isinstance(found, Image):
        raise FormatError("no-image", f"{path} does not hold the image that the record names")
    return found

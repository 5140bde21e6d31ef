"""Sidecars of BIDS: what JSON files beside an image, or above it in the tree, say of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from medpipe.formats.bids_derivatives import entities

_SUFFIX = "bold.json"
_KEY = "RepetitionTime"
# Entities of folders; below them lies one for each kind of data.
_FOLDERS = ("sub-", "ses-")


def sidecar_time(path: str) -> tuple[float, str] | None:
    """Seconds from volume to volume of an image named `..._bold.*`, and the name of the sidecar that says so.

    By BIDS' inheritance: of sidecars whose entities are all the image's the nearest counts, in one folder that with the
    most entities. None where no readable one names a number.
    """
    image = Path(path)
    if not image.name.split(".")[0].endswith("_bold"):
        return None
    own = entities(image.name).items()
    for folder in _folders(image.parent):
        found = [one for one in folder.glob(f"*{_SUFFIX}") if entities(one.name).items() <= own]
        for sidecar in sorted(found, key=lambda one: (-len(entities(one.name)), one.name)):
            if (time := _time(sidecar)) is not None:
                return time, sidecar.name
    return None


def _folders(folder: Path) -> Iterator[Path]:
    """The image's own and those above it, up to that of the data set."""
    yield folder
    above = folder.resolve().parent
    while above.name.startswith(_FOLDERS):
        yield above
        above = above.parent
        if not above.name.startswith(_FOLDERS):
            yield above


def _time(sidecar: Path) -> float | None:
    try:
        said = orjson.loads(sidecar.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    time = said.get(_KEY) if isinstance(said, dict) else None
    return float(time) if isinstance(time, int | float) and not isinstance(time, bool) else None

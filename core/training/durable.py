"""Files that are whole or not there: written beside, brought to the disk, then put in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def put(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, and put it in its place when it is on the disk."""
    part = path.with_name(f"{path.name}.part")
    write(part)
    # safetensors gives its files to their owner alone.
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)
    _to_disk(part, os.O_RDWR)
    part.replace(path)
    _to_disk(path.parent, os.O_RDONLY)


def _to_disk(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

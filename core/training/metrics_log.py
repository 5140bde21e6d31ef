"""The JSON Lines of a training's metrics, which a resumed run cuts back to where it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from medpipe.core.errors import ModelError


class MetricsLog:
    """One line for each logged step and each validation; `size` of an earlier mark cuts off what came after it.

    Raises ModelError where less is there than was marked.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        there = path.stat().st_size if path.exists() else 0
        if there < size:
            raise ModelError(f"{path} has {there} bytes; the run to be resumed had written {size}")
        self._stream = path.open("ab")
        self._stream.truncate(size)

    def write(self, line: Mapping[str, object]) -> None:
        """One record."""
        self._stream.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._stream.flush()

    def mark(self) -> int:
        """Bring all lines to the disk; their bytes."""
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

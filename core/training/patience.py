"""When a training has waited long enough for a better validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(slots=True)
class Patience:
    """Validations since the best one, lower being better.

    Args:
        most: of them that are waited for; 0 for no end of waiting.
        selection: the number that counts.
    """

    most: int
    selection: str
    best: float = float("inf")
    since: int = 0
    step: int = 0

    @classmethod
    def so_far(cls, most: int, selection: str, metrics: Path) -> Self:
        """After the validations of a run that is gone on with."""
        made = cls(most, selection)
        if metrics.exists():
            for line in metrics.read_bytes().splitlines(keepends=True):
                # A kill may have torn the last one.
                if line.endswith(b"\n"):
                    made.note(json.loads(line))
        return made

    def note(self, line: Mapping[str, Any]) -> None:
        """A line of metrics; one that comes again, after a resumption, is not counted again."""
        value = line.get(self.selection)
        if line["split"] != "val" or value is None or line["step"] <= self.step:
            return
        self.step = line["step"]
        self.since = 0 if value < self.best else self.since + 1
        self.best = min(self.best, value)

    @property
    def over(self) -> bool:
        """Whether the training may end."""
        return 0 < self.most <= self.since

"""When a training has waited long enough for a better validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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

    def so_far(self, metrics: Path) -> None:
        """Take up the validations of a run that is gone on with, cut back to where it goes on."""
        for line in metrics.read_bytes().splitlines():
            self.note(json.loads(line))

    def note(self, line: Mapping[str, Any]) -> None:
        """A line of metrics."""
        value = line.get(self.selection)
        if line["split"] != "val" or value is None:
            return
        self.since = 0 if value < self.best else self.since + 1
        self.best = min(self.best, value)

    @property
    def over(self) -> bool:
        """Whether the training may end."""
        return 0 < self.most <= self.since

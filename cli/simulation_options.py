"""What a simulation was asked for, and whether it can be had."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from medpipe.cli.exits import USAGE, Fatal
from medpipe.cli.simulated_stories import Heard

_TAIL = 10.0
_MOST_SIDE = 256
_LEAST_VOLUMES = 10
# Values of one run in memory.
_MOST_VALUES = 1 << 27


@dataclass(frozen=True, slots=True)
class Given:
    """The options as the user gave them."""

    output: str
    ev: float
    subjects: int
    stories: int
    test_stories: int
    repeats: int
    seconds: float
    words: tuple[str, ...]
    disjoint: bool
    start: float
    tr: float
    shape: str
    phones: bool
    weights: bool
    seed: int
    quiet: bool

    def grid(self) -> tuple[int, int, int]:
        """The shape; BadParameter when it is none."""
        if not re.fullmatch(r"\d+,\d+,\d+", self.shape):
            raise typer.BadParameter(f"--shape {self.shape}: it is three numbers, X,Y,Z")
        x, y, z = (int(side) for side in self.shape.split(","))
        if not all(4 <= side <= _MOST_SIDE for side in (x, y, z)):
            raise typer.BadParameter(f"--shape {self.shape}: sides are from 4 to {_MOST_SIDE} voxels")
        return x, y, z

    def volumes(self, seconds: float) -> int:
        """How many a story of `seconds` takes, the silence around it scanned too."""
        return math.ceil((self.start + seconds + _TAIL) / self.tr - 1e-9)

    def check_size(self, heard: Sequence[Heard]) -> None:
        """Fatal for a story that makes a run too short or too large."""
        voxels = math.prod(self.grid())
        for one in heard:
            volumes = self.volumes(one.story.seconds)
            if volumes < _LEAST_VOLUMES:
                raise Fatal(USAGE, f"{one.story.name}: {volumes} volumes are too few, {_LEAST_VOLUMES} at the least")
            if volumes * voxels > _MOST_VALUES:
                raise Fatal(USAGE, f"{one.story.name}: {volumes} volumes of {self.shape} voxels do not fit into memory")

"""CPU seconds of a command, its children included."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def cpu_seconds(command: Sequence[str | Path], **options: object) -> float:
    """User and system time of one run; CalledProcessError when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ONE_THREAD},
        **options,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def best_of(rounds: int, *commands: Sequence[str | Path]) -> list[float]:
    """The least CPU time of each command over rounds in which they take turns."""
    times = [[cpu_seconds(command) for command in commands] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]

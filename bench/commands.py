"""Commands as users run them, from a benchmark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

# Beside the environment's python, where the commands are.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def call(command: str, *options: object, good: Collection[int] = (0,)) -> None:
    """On one thread; the benchmark ends with what it said when it ends otherwise than `good`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = shutil.which(command, path=PATH) or command
    done = subprocess.run([found, *map(str, options)], env=environment, capture_output=True, text=True)
    if done.returncode not in good:
        raise SystemExit(f"{command}: {done.stderr}")

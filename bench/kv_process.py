"""Workers of kv_worker.py and kvpress_worker.py: one process each, asked in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from process import ONE_THREAD

HERE = Path(__file__).parent
# The interpreter of the environment that has kvpress; see kvpress_worker.py for how it is made.
KVPRESS = os.environ.get("KVPRESS_PYTHON", "kvpress-env/bin/python")


class Worker:
    """One process with a model and a method."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
        )

    def ask(self, **prompt: Any) -> dict[str, Any]:
        """One prompt in, its answer out."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("a worker without pipes")
        self.process.stdin.write(json.dumps(prompt) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker ended: {' '.join(map(str, self.process.args))}")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> None:
        """It ends with its input."""
        self.process.communicate()


def ours(folder: Path, method: str, *settings: str) -> Worker:
    """A method of core.kv: RATIO, STRIDE, WHICH."""
    return Worker([sys.executable, str(HERE / "kv_worker.py"), str(folder), method, *settings], os.environ | ONE_THREAD)


def theirs(folder: Path, press: str, ratio: str, newer: str = "") -> Worker:
    """A press of kvpress; `newer` is a folder of packages that go before those of its environment."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD
    command = [KVPRESS, str(HERE / "kvpress_worker.py"), str(folder), press, ratio]
    return Worker(command, env | ({"PYTHONPATH": newer} if newer else {}))

"""Commands in forks of a process that has imported what they import, so that a thousand starts do not cost an hour.

A fork runs the executable's own entry point with its own arguments, folder, streams and exit code. What a start itself
does (imports, environment, signals that come early) is tried with the executables.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any, NoReturn

# What takes long to import; none of it starts a thread.
_HEAVY = ("h5py", "matplotlib.figure", "nibabel", "pydicom", "scipy.ndimage", "scipy.signal", "scipy.stats", "torch")
_MODELS = ("AutoModelForCausalLM", "BertModel", "Florence2ForConditionalGeneration", "GPT2LMHeadModel",
           "PreTrainedTokenizerFast", "Qwen2VLForConditionalGeneration")  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Warm:
    """The process, started when it is first needed; it runs one command at a time, and ends with the tests."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, command: Path, arguments: Sequence[str], cwd: Path | None, stdin: bytes, timeout: float) -> Any:
        """As `subprocess.run` with its output captured."""
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder) / name for name in ("in", "out", "err")]
            names[0].write_bytes(stdin)
            argv = [str(command), *arguments]
            told = {
                "argv": argv,
                "cwd": str(cwd or Path.cwd()),
                "env": dict(os.environ),
                "streams": list(map(str, names)),
            }
            code = self._ask(told, timeout)
            return subprocess.CompletedProcess(argv, code, names[1].read_bytes(), names[2].read_bytes())

    def _ask(self, told: dict[str, Any], timeout: float) -> int:
        if self.process is None:
            environment = os.environ | dict.fromkeys(_THREADS, "1")
            self.process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("no pipes")
        print(json.dumps(told | {"timeout": timeout}), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the warm process has ended")
        code = json.loads(answer)
        if code is None:
            raise subprocess.TimeoutExpired(told["argv"], timeout)
        return int(code)


def _serve() -> None:
    for name in _HEAVY:
        import_module(name)
    transformers = import_module("transformers")
    for name in _MODELS:
        getattr(transformers, name)
    entries = {one.name: one.value for one in entry_points(group="console_scripts") if one.value.startswith("medpipe.")}
    # Pages that nobody counts in stay shared.
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            answers.close()
            _become(told, entries[Path(told["argv"][0]).name])
        print(json.dumps(_ended(child, told["timeout"])), file=answers, flush=True)


def _ended(child: int, timeout: float) -> int | None:
    """The exit code, negative for a signal; None when it had to be killed."""
    until = time.monotonic() + timeout
    pause = 0.001
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(0.02, pause * 1.5)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _become(told: dict[str, Any], entry: str) -> NoReturn:
    """Be the command. Ending the interpreter would copy what was imported: what has to end is ended by hand."""
    for number, name in enumerate(told["streams"]):
        there = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
        os.dup2(there, number)
        os.close(there)
    sys.stdin, sys.stdout, sys.stderr = _text(0, "r"), _text(1, "w"), _text(2, "w")
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    sys.argv = told["argv"]
    module, _, function = entry.partition(":")
    code = _exit_code(getattr(import_module(module), function))
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _exit_code(function: Callable[[], None]) -> int:
    try:
        function()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _text(number: int, mode: str) -> IO[str]:
    return open(number, mode, encoding="utf-8", closefd=False, buffering=1 if number == 2 else -1)


if __name__ == "__main__":
    _serve()

"""What every training command does around its loop: device and processes, signals, errors, progress, the curves."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import torch

from medpipe.cli.exits import BAD_STREAM, GOOD, SOME_FAILED, UNAVAILABLE, USAGE, WRITE_FAILED, Fatal
from medpipe.cli.options import available_cores
from medpipe.cli.publish import write_whole
from medpipe.cli.signals import StopRequest
from medpipe.cli.train_options import TrainingOptions
from medpipe.core.device import torch_device
from medpipe.core.errors import ModelError
from medpipe.core.training import distributed
from medpipe.core.training.loop import METRICS, Outcome, RunOptions

_LOGGED_EVERY = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


def for_loop(given: TrainingOptions, device: torch.device) -> RunOptions:
    """As the loop takes them."""
    return RunOptions(
        device=device, resume=given.resume, checkpoint_every=given.checkpoint_every, log_every=_LOGGED_EVERY,
        validate_every=given.validate_every, max_steps=given.max_steps, compile=given.compile,
    )  # fmt: skip


def run_training(loop: TrainingOptions, body: Callable[[torch.device, StopRequest], tuple[Outcome, int]]) -> int:
    """Train to the end or to a signal; the exit code. `body` tells how it ended, and how many inputs were not used."""
    stop = StopRequest()
    stop.install()
    device = _device(loop)
    several = joined = distributed.join(device)
    try:
        outcome, failed = body(device, stop)
        if joined:
            distributed.leave()
            joined = False
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
    except FloatingPointError as error:
        raise Fatal(BAD_STREAM, f"{error}; the state before it is in {loop.output}, try a lower rate") from None
    except torch.OutOfMemoryError:
        raise Fatal(UNAVAILABLE, f"{device} has no memory for such a batch: give a smaller --batch-size") from None
    except OSError as error:
        full = "; --resume goes on when there is room" if error.errno in _FULL else ""
        raise Fatal(WRITE_FAILED, f"{loop.output}: {error.strerror or error}{full}") from None
    except Exception:
        _end_workers()
        raise
    finally:
        if joined:
            torch.distributed.destroy_process_group()
    if outcome.status == "stopped":
        return stop.exit_code
    # Of several processes torchrun takes any other code for a crash.
    return SOME_FAILED if failed and not several else GOOD


def _end_workers() -> None:
    """Kill them: they leave signals to this process, which at its end would wait for them without end."""
    # torch would raise for each one that dies.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for worker in multiprocessing.active_children():
        worker.kill()


def _device(loop: TrainingOptions) -> torch.device:
    try:
        found = torch_device(loop.device)
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else USAGE, str(error)) from None
    shared = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(loop.threads or max(1, available_cores() // shared))
    # Of several processes each takes a GPU of its own, unless one is named.
    return distributed.local_device(found if ":" in loop.device else torch.device(found.type))


class Teller:
    """Progress on a terminal, else a line for each validation."""

    def __init__(self, command: str, loop: TrainingOptions, steps: int) -> None:
        self._command, self._loop = command, loop
        self._bar: Any = None
        if not loop.quiet and sys.stderr.isatty() and distributed.rank() == 0:
            from tqdm import tqdm

            self._bar = tqdm(total=loop.max_steps or steps, unit=" steps", desc=command, file=sys.stderr)

    def tell(self, line: dict[str, Any]) -> None:
        """One line of metrics."""
        if self._loop.quiet:
            return
        if line["split"] == "train":
            if self._bar is not None:
                self._bar.n = line["step"]
                self._bar.set_postfix(loss=f"{line['loss']:.4f}", refresh=True)
            return
        told = ", ".join(f"{k} {v:.4f}" for k, v in line.items() if isinstance(v, float))
        if self._bar is not None:
            self._bar.clear()
        say(self._command, f"step {line['step']}, validation: {told}")

    def end(self, outcome: Outcome, replaced: int) -> None:
        """How it ended."""
        if self._bar is not None:
            self._bar.close()
        if self._loop.quiet:
            return
        if replaced:
            say(self._command, f"{replaced} times an input that could not be used was replaced by another")
        if outcome.status == "stopped":
            say(self._command, f"stopped at step {outcome.step}; --resume goes on")
            return
        best = "" if outcome.best is None else f", best validation {outcome.best:.4f} at step {outcome.best_step}"
        say(self._command, f"{outcome.step} steps{best}: {self._loop.output}")


def say(command: str, message: str) -> None:
    """One line for the user."""
    print(f"{command}: {message}", file=sys.stderr)


def draw(folder: Path, title: str) -> None:
    """curves.png, of the metrics in a folder."""
    from medpipe.core.draw.curves import draw_curves
    from medpipe.core.draw.render import render

    lines = [orjson.loads(line) for line in (folder / METRICS).read_bytes().splitlines()]
    write_whole(render(draw_curves(lines, title), "png", dpi=130), str(folder / "curves.png"))

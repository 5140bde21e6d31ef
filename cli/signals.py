"""SIGTERM, SIGINT and SIGUSR1: finish the batch in hand, then stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from medpipe.cli.exits import WORK_LEFT, Interrupted

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Remembers which signal asked the run to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._waiting = False

    def install(self) -> None:
        """Catch the signals in this process."""
        for number in _CAUGHT:
            signal.signal(number, self._note)

    @property
    def asked(self) -> bool:
        """Whether a stop was asked for."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The exit code of a run that was stopped with work left."""
        return WORK_LEFT if self.signal == signal.SIGUSR1 else 128 + int(self.signal or signal.SIGTERM)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside, a signal ends the wait for input by raising Interrupted."""
        self._waiting = True
        try:
            if self.asked:
                raise Interrupted
            yield
        finally:
            self._waiting = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
        if self._waiting:
            raise Interrupted


def ignore() -> None:
    """In a worker: its parent decides when it ends."""
    for number in _CAUGHT:
        signal.signal(number, signal.SIG_IGN)

"""Exit codes, and the exceptions that end a run with one."""

from __future__ import annotations

GOOD = 0
SOME_FAILED = 1
USAGE = 2
BAD_STREAM = 65
NO_STREAM = 66
UNAVAILABLE = 69
SOFTWARE = 70
WRITE_FAILED = 74
WORK_LEFT = 75
CLOSED_PIPE = 141


class Fatal(Exception):
    """The run ends now with one line on stderr and this exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Interrupted(Exception):
    """A signal came while the run was waiting for input."""


def side_failure(name: str, error: Exception) -> Fatal:
    """How a run ends that needs a file, such as that of --mask, and cannot use it; the error's `kind` says why."""
    code = NO_STREAM if getattr(error, "kind", "") == "missing-file" else BAD_STREAM
    return Fatal(code, str(error) if str(error).startswith(name) else f"{name}: {error}")

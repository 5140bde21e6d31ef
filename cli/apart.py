"""Work done in a process of its own, so that a library that crashes takes nothing with it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable

_ERRNO = re.compile(r"errno = (\d+)")


def apart(work: Callable[[], object]) -> None:
    """Run `work` in a child process and wait for it; OSError when it fails there, whatever way.

    libhdf5 writes again what a full disk has refused when a file or the interpreter is closed, and then crashes.
    """
    child = os.fork()
    if child == 0:
        _run(work)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        number = code if code > 0 else errno.EIO
        raise OSError(number, os.strerror(number))


def _run(work: Callable[[], object]) -> None:
    """In the child: never returns, and lets nothing be closed in an orderly way."""
    code = 0
    # What a library complains of is told by the exit code.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        work()
    except OSError as error:
        code = error.errno or _told(error)
    except BaseException as error:
        code = _told(error)
    os._exit(code)


def _told(error: BaseException) -> int:
    """The number of the system's error behind an exception of libhdf5."""
    found = _ERRNO.search(str(error))
    return int(found[1]) if found and 0 < int(found[1]) < 256 else errno.EIO

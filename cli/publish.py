"""Finished bytes under the name that was asked for: a file whole or not at all, a pipe or device as it stands."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from medpipe.cli.exits import WRITE_FAILED, Fatal


def standard_output() -> BinaryIO:
    """Standard output for bytes; Fatal 74 when it is closed."""
    if sys.stdout is None:
        raise Fatal(WRITE_FAILED, "standard output is closed")
    return sys.stdout.buffer


def followed(output: str) -> str:
    """The name of an output, symbolic links followed; `-` for what stands for standard output."""
    if output in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        return "-"
    return os.path.realpath(output) if os.path.islink(output) else output


def is_device(output: str) -> bool:
    """Whether a pipe or device stands there, which must be written to and not replaced."""
    return output != "-" and os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output)


def make_folder(output: str) -> None:
    """The folder of a file that is to be written at a run's end, tried before its beginning. Fatal 74."""
    folder = Path(followed(output)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{output}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise Fatal(WRITE_FAILED, f"{output}: {os.strerror(errno.EACCES)}")


def write_whole(content: bytes, output: str) -> None:
    """A small output at once: a file appears whole or not at all. Fatal 74; BrokenPipeError."""
    name = followed(output)
    try:
        if name == "-":
            standard_output().write(content)
            standard_output().flush()
        elif is_device(name):
            Path(name).write_bytes(content)
        else:
            _replace(content, Path(name))
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "standard output" if name == "-" else output
        raise Fatal(WRITE_FAILED, f"{where}: {error.strerror}") from None


def _replace(content: bytes, path: Path) -> None:
    fresh = path.with_name(path.name + ".part")
    try:
        fresh.write_bytes(content)
        publish(fresh, path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def publish(fresh: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

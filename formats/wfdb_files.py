"""The files of a WFDB record: where they are, whether they are there, their bytes."""

from __future__ import annotations

import os
import stat

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError

_SUFFIXES = (".hea", ".dat", ".mat")
# A pointer file of Git LFS or git-annex is shorter than this.
_POINTER_BYTES = 1024


def record_stem(path: str) -> str:
    """Path of a record without suffix; `path` names its header, its signal file, or neither."""
    for suffix in _SUFFIXES:
        if path.lower().endswith(suffix) and not path.lower().endswith("/" + suffix):
            return path[: -len(suffix)]
    return path


def sibling(folder: str, name: str) -> str:
    """Path of a file that a header names; FormatError when the name leads out of the header's folder."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\", "-")) or ".." in parts or "\0" in name or ":" in parts[0]:
        raise FormatError("bad-header", "the header names a file outside its own folder: it is not opened")
    return os.path.join(folder, name)


def refuse_pointer(head: bytes, what: str) -> None:
    """FormatError when the first bytes of a file are those of a Git LFS or git-annex pointer."""
    if head.startswith(b"version https://git-lfs"):
        raise FormatError("lfs-pointer", f"a Git LFS pointer stands in place of {what}: run `git lfs pull`")
    if head.lstrip(b"./").startswith((b"annex/objects/", b"git/annex/objects/")):
        raise FormatError("annex-pointer", f"a git-annex pointer stands in place of {what}: run `git annex get`")


def unreadable(path: str, what: str, error: OSError) -> FormatError:
    """The FormatError for a file that does not open."""
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path) and "annex/objects/" in os.readlink(path):
            return FormatError("annex-pointer", f"a git-annex link stands in place of {what}: run `git annex get`")
        return FormatError("missing-file", f"{what} is missing")
    return FormatError("unreadable", f"{what} cannot be read: {error.strerror or type(error).__name__}")


def file_size(path: str, what: str) -> int:
    """Size of a signal file in bytes; FormatError when it is absent or a pointer."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise unreadable(path, what, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise FormatError("unreadable", f"{what} is a folder, a pipe or a device")
    size = found.st_size
    if size < _POINTER_BYTES:
        refuse_pointer(read_upto(path, 0, 64, what), what)
    return size


def read_bytes(path: str, offset: int, count: int, what: str) -> NDArray[np.uint8]:
    """`count` bytes of a file from `offset`, uint8 [count]; FormatError when it does not hold them."""
    data = read_upto(path, offset, count, what)
    if len(data) < count:
        raise truncated(what, offset + count, offset + len(data))
    return np.frombuffer(data, np.uint8)


def read_upto(path: str, offset: int, count: int, what: str) -> bytes:
    """At most `count` bytes of a file from `offset`, fewer where it ends; FormatError when it does not open."""
    try:
        # Half the time of `open`, which matters at thousands of small files a second. A named pipe must not
        # make the run wait.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, what, error) from error
    try:
        data = os.pread(handle, count, offset)
        # One call gives 2 GiB at the most.
        while len(data) < count and (more := os.pread(handle, count - len(data), offset + len(data))):
            data += more
    except OSError as error:
        raise unreadable(path, what, error) from error
    finally:
        os.close(handle)
    return data


def truncated(what: str, needed: int, held: int) -> FormatError:
    """The FormatError for a signal file that is too short."""
    return FormatError("truncated", f"{what} is truncated: the header needs {needed} bytes, it holds {held}")

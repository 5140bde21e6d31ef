"""What a file is, by its content; by its name only where the content has no mark of its own."""

from __future__ import annotations

import os

from medpipe.formats.compress import GZIP_MAGIC, ZSTD_MAGIC
from medpipe.formats.errors import FormatError

_HEAD = 512
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = (b"/annex/objects/", b"../.git/annex/objects/", b".git/annex/objects/")
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"0       ", "edf"),
    (b"\xffBIOSEMI", "edf"),
    (GZIP_MAGIC, "gzip"),
    (ZSTD_MAGIC, "zstd"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
)
_TABLES = (".csv", ".tsv", ".txt")
_NIFTI_SIZES = (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c", b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")


def sniff(path: str) -> str:
    """The kind of a file: wfdb, edf, dicom, csv, hdf5, jsonl, gzip, zstd, nifti, image, lfs-pointer, empty, unknown.

    Raises:
        FormatError: there is no such file, it is a folder, or it may not be read.
    """
    suffix = os.path.splitext(path)[1].lower()
    try:
        head = _head(path)
    except FileNotFoundError:
        if suffix != ".hea" and os.path.exists(f"{path}.hea"):
            return "wfdb"
        raise _absent(path) from None
    except IsADirectoryError:
        raise FormatError("folder", "a folder stands in place of a file") from None
    except OSError as error:
        raise FormatError("unreadable", f"the file cannot be read: {error.strerror}") from None
    if head.startswith(_LFS):
        return "lfs-pointer"
    if head.startswith(_ANNEX):
        return "annex-pointer"
    if suffix == ".hea":
        return "wfdb"
    return _by_content(path, suffix, head)


def _head(path: str) -> bytes:
    # Unbuffered and without a file object: this runs once a file for millions of files.
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, _HEAD)
    finally:
        os.close(handle)


def _absent(path: str) -> FormatError:
    if os.path.islink(path) and "annex/objects/" in os.readlink(path):
        return FormatError("annex-pointer", "a git-annex link stands in place of the data: run `git annex get`")
    return FormatError("missing-file", f"{path}: no such file")


def _by_content(path: str, suffix: str, head: bytes) -> str:
    if not head:
        return "wfdb" if os.path.exists(f"{os.path.splitext(path)[0]}.hea") else "empty"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[128:132] == b"DICM" or _is_bare_dicom(head):
        return "dicom"
    if suffix not in _TABLES and os.path.exists(f"{os.path.splitext(path)[0]}.hea"):
        return "wfdb"
    if head[:4] in _NIFTI_SIZES and head[344:348] in (b"n+1\0", b"ni1\0", b""):
        return "nifti"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "jsonl"
    return "csv" if suffix in _TABLES or _is_table(head) else "unknown"


def _is_bare_dicom(head: bytes) -> bool:
    """Data elements from the first byte on, of group 2 or 8, with the value's type spelled out."""
    return head[:2] in (b"\x02\x00", b"\x08\x00") and head[4:6].isalpha() and head[4:6].isupper()


def _is_table(head: bytes) -> bool:
    line = head.split(b"\n", 1)[0]
    printable = all(byte >= 32 or byte in b"\t\r" for byte in line)
    return printable and b"\n" in head and any(separator in line for separator in (b",", b";", b"\t"))

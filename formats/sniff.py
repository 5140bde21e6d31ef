"""What a file is, by its content; by its name only where the content has no mark of its own."""

from __future__ import annotations

import os
import stat

from medpipe.formats.compress import GZIP_MAGIC, ZSTD_MAGIC
from medpipe.formats.errors import FormatError

_HEAD = 512
_LFS = b"version https://git-lfs.github.com/spec/"
# An unlocked file, and a link that was written out as text, from whatever depth.
_ANNEX = (b"annex/objects/", b"git/annex/objects/")
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"0       ", "edf"),
    (b"\xffBIOSEMI", "edf"),
    (GZIP_MAGIC, "gzip"),
    (ZSTD_MAGIC, "zstd"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
)
_TABLES = (".csv", ".tsv", ".txt")
# Samples may begin with any bytes: beside a header, these are signals whatever they look like.
_SIGNALS = (".dat", ".mat", "")
# Length of a NIfTI header, either byte order: version 1 (mark at its end) and version 2 (mark after the length).
_NIFTI_1 = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
_NIFTI_2 = (b"\x1c\x02\0\0", b"\0\0\x02\x1c")


def sniff(path: str) -> str:
    """The kind of a file.

    Returns:
        wfdb, edf (BDF too), dicom, csv, hdf5, jsonl, gzip, zstd, nifti, gifti, image, lfs-pointer, annex-pointer,
        empty or unknown. A header is wfdb whatever it holds: its reader says what is wrong with it.

    Raises:
        FormatError: there is no such file, it is a folder or a device, or it may not be read.
    """
    suffix = os.path.splitext(path)[1].lower()
    try:
        head = _head(path)
    except (FileNotFoundError, NotADirectoryError):
        if suffix != ".hea" and os.path.exists(f"{path}.hea"):
            return "wfdb"
        raise _absent(path) from None
    except IsADirectoryError:
        raise FormatError("folder", "a folder stands in place of a file") from None
    except OSError as error:
        raise FormatError("unreadable", f"the file cannot be read: {error.strerror}") from None
    except FormatError:
        raise
    except ValueError:
        raise FormatError("missing-file", "the path holds a NUL byte: no such file") from None
    if head.startswith(_LFS):
        return "lfs-pointer"
    if head.lstrip(b"./").startswith(_ANNEX):
        return "annex-pointer"
    if suffix == ".hea" or (suffix in _SIGNALS and _has_header(path)):
        return "wfdb"
    return _by_content(path, suffix, head)


def _head(path: str) -> bytes:
    # Unbuffered and without a file object: this runs once a file for millions of files. A pipe without a
    # writer would block for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _not_a_file(handle)
        return os.read(handle, _HEAD)
    finally:
        os.close(handle)


def _not_a_file(handle: int) -> Exception:
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        return IsADirectoryError()
    return FormatError("unreadable", "a pipe or device stands in place of a file; give it on standard input, as -")


def _absent(path: str) -> FormatError:
    if os.path.islink(path) and "annex/objects/" in os.readlink(path):
        return FormatError("annex-pointer", "a git-annex link stands in place of the data: run `git annex get`")
    return FormatError("missing-file", f"{path}: no such file")


def _has_header(path: str) -> bool:
    return os.path.exists(f"{os.path.splitext(path)[0]}.hea")


def _by_content(path: str, suffix: str, head: bytes) -> str:
    # Before the others: its first 128 bytes are free, and some hold the head of a TIFF.
    if head[128:132] == b"DICM" or _is_bare_dicom(head):
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return "nifti" if kind == "gzip" and _is_nifti(_unpacked(head)) else kind
    # Signal files may have any suffix (`X.xyz`).
    if suffix not in _TABLES and _has_header(path):
        return "wfdb"
    if not head:
        return "empty"
    if _is_nifti(head):
        return "nifti"
    if b"<GIFTI" in head or b"<!DOCTYPE GIFTI" in head:
        return "gifti"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "jsonl"
    return "csv" if suffix in _TABLES or _is_table(head) else "unknown"


def _is_bare_dicom(head: bytes) -> bool:
    """Data elements from the first byte on, of group 2 or 8, with the value's type spelled out."""
    return head[:2] in (b"\x02\x00", b"\x08\x00") and head[4:6].isalpha() and head[4:6].isupper()


def _is_nifti(head: bytes) -> bool:
    first = head[:4] in _NIFTI_1 and head[344:347] in (b"n+1", b"ni1")
    return first or (head[:4] in _NIFTI_2 and head[5:7] == b"+2")


def _unpacked(head: bytes) -> bytes:
    """The first plain bytes of a gzip file; none where it is damaged."""
    import zlib

    try:
        return zlib.decompressobj(31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _is_table(head: bytes) -> bool:
    line = head.split(b"\n", 1)[0]
    printable = all(byte >= 32 or byte in b"\t\r" for byte in line)
    return printable and b"\n" in head and any(separator in line for separator in (b",", b";", b"\t"))

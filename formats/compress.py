"""Plain, gzip and Zstandard byte streams, told apart by their first bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from medpipe.formats.errors import FormatError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BUFFER = 1 << 20
# Packed bytes taken at a time: what they may swell to (1,000 and 30,000 times) has to fit into memory.
_GZIP_BLOCK, _ZSTD_BLOCK = 1 << 15, 1 << 12


def open_decompressed(raw: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """A buffered reader of the plain bytes behind `raw`, whatever it was compressed with."""
    magic = raw.peek(4)[:4]
    if magic.startswith(GZIP_MAGIC):
        from isal import isal_zlib

        begin: Callable[[], Any] = partial(isal_zlib.decompressobj, wbits=31)
        return io.BufferedReader(_Unpacked(raw, begin, _GZIP_BLOCK), _BUFFER)
    if magic.startswith(ZSTD_MAGIC):
        import zstandard

        return io.BufferedReader(_Unpacked(raw, zstandard.ZstdDecompressor().decompressobj, _ZSTD_BLOCK), _BUFFER)
    return raw


class _Unpacked(io.RawIOBase):
    """The plain bytes of gzip members or Zstandard frames, one after another.

    Of a stream that is damaged or cut, all that could be unpacked comes before the error.
    """

    def __init__(self, raw: io.BufferedReader[Any], begin: Callable[[], Any], block: int) -> None:
        self._raw, self._begin, self._block = raw, begin, block
        self._part: Any = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes, 0 at the end; EOFError when the last part is not whole."""
        while not self._ready:
            packed = self._rest() or self._raw.read(self._block)
            if not packed:
                if self._part is not None and not self._part.eof:
                    raise EOFError("the compressed stream ends early")
                return 0
            if self._part is None or self._part.eof:
                # Tapes and some writers fill up with zeros.
                packed = packed.lstrip(b"\0")
                self._part = self._begin() if packed else None
            self._ready = memoryview(self._part.decompress(packed) if packed else b"")
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def _rest(self) -> bytes:
        rest = self._part.unused_data if self._part is not None and self._part.eof else b""
        return bytes(rest)


def decompression_errors() -> tuple[type[Exception], ...]:
    """What the decompressors raise on damaged data."""
    import zlib

    import zstandard
    from isal import isal_zlib

    isal_error: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # declared as an instance
    return (EOFError, zlib.error, isal_error, zstandard.ZstdError, OSError)


def read_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The stream in blocks of a mebibyte."""
    while block := stream.read(_BUFFER):
        yield block


def compress_file(source: Path, target: Path, suffix: str) -> None:
    """Write `source` to `target` as gzip or Zstandard; the same bytes for the same content.

    Args:
        source: the plain file.
        target: the file to write.
        suffix: `.gz` or `.zst`.
    """
    if suffix == ".gz":
        import gzip

        # No name and no time in the header: equal content gives equal files.
        with (
            source.open("rb") as plain,
            target.open("wb") as out,
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=0) as packed,
        ):
            for block in read_blocks(plain):
                packed.write(block)
        return
    if suffix == ".zst":
        import zstandard

        with source.open("rb") as plain, target.open("wb") as out:
            zstandard.ZstdCompressor(level=3, write_checksum=True).copy_stream(plain, out)
        return
    raise FormatError("unsupported", f"no compression goes with the suffix {suffix}")

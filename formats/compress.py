"""Plain, gzip and Zstandard byte streams, told apart by their first bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from medpipe.formats.errors import FormatError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BUFFER = 1 << 20


def open_decompressed(raw: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """A buffered reader of the plain bytes behind `raw`, whatever it was compressed with."""
    magic = raw.peek(4)[:4]
    if magic.startswith(GZIP_MAGIC):
        from isal import igzip

        return io.BufferedReader(cast(io.RawIOBase, igzip.IGzipFile(fileobj=raw, mode="rb")), _BUFFER)
    if magic.startswith(ZSTD_MAGIC):
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return io.BufferedReader(cast(io.RawIOBase, reader), _BUFFER)
    return raw


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

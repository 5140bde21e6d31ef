"""How many frames a DICOM file can hold, by the length of its pixels or the pieces they are cut into (PS3.5 A.4)."""

from __future__ import annotations

import os
from typing import BinaryIO, Final, Literal

_UNKNOWN_LENGTH: Final = 0xFFFFFFFF
_ITEM: Final = (0xFFFE, 0xE000)
_HEADER: Final = 8
_OFFSET: Final = 4


def most_frames(path: str, start: int, length: int, frame_bits: int, order: Literal["little", "big"]) -> int:
    """The most frames that the pixels, which begin at `start` of the file, have room for.

    `length` is that of their element, `frame_bits` the bits of an uncompressed frame. Compressed pixels have no
    length: a frame takes one item at least, and none is without its offset where there are offsets.
    """
    with open(path, "rb") as stream:
        if length != _UNKNOWN_LENGTH:
            held = min(length, max(0, os.fstat(stream.fileno()).st_size - start))
            return held * 8 // frame_bits
        return _items(stream, start, order)


def _items(stream: BinaryIO, start: int, order: Literal["little", "big"]) -> int:
    """Items behind the table of offsets, or the offsets if they are fewer."""
    size = os.fstat(stream.fileno()).st_size
    table, count, place = 0, -1, start
    while place + _HEADER <= size:
        stream.seek(place)
        head = stream.read(_HEADER)
        tag = int.from_bytes(head[:2], order), int.from_bytes(head[2:4], order)
        if tag != _ITEM:
            break
        length = int.from_bytes(head[4:], order)
        if count < 0:
            table = length // _OFFSET
        count += 1
        place += _HEADER + length
    count = max(0, count)
    return min(table, count) if table else count

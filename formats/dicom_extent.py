"""How many frames a DICOM file can hold, by the length of its pixels or the pieces they are cut into (PS3.5 A.4)."""

from __future__ import annotations

import os
from typing import BinaryIO, Final, Literal, NamedTuple

_UNKNOWN_LENGTH: Final = 0xFFFFFFFF
_ITEM: Final = (0xFFFE, 0xE000)
_HEADER: Final = 8
_OFFSET: Final = 4
# What ends a picture of the JPEG family, and in how many last bytes it is looked for, as pydicom does.
_END: Final = b"\xff\xd9"
_TAIL: Final = 10


class Pieces(NamedTuple):
    """Offsets in the table, items behind it, how many of these end a picture, and whether the last one does not."""

    offsets: int
    items: int
    ends: int
    open_end: bool

    @property
    def most(self) -> int:
        """The most frames that they can be: a frame takes one item at least, and an offset where there are offsets."""
        return min(self.offsets, self.items) if self.offsets else self.items

    def apart(self, promised: int) -> bool:
        """Whether nothing but offsets, a piece for each frame, or the ends of pictures tells `promised` frames."""
        if self.offsets or self.items == promised:
            return True
        return self.items > promised and self.ends + self.open_end == promised


def plain_frames(path: str, start: int, length: int, frame_bits: int) -> int:
    """How many uncompressed frames an element of `length` bytes, which begins at `start`, has room for."""
    return min(length, max(0, os.path.getsize(path) - start)) * 8 // frame_bits


def is_plain(length: int) -> bool:
    """Whether the length is that of uncompressed pixels: compressed ones have none."""
    return length != _UNKNOWN_LENGTH


def pieces(path: str, start: int, order: Literal["little", "big"]) -> Pieces:
    """What compressed pixels, which begin at `start` of the file, are cut into."""
    with open(path, "rb") as stream:
        return _walked(stream, start, order)


def _walked(stream: BinaryIO, start: int, order: Literal["little", "big"]) -> Pieces:
    size = os.fstat(stream.fileno()).st_size
    table, count, ends, place, ended = 0, -1, 0, start, True
    while place + _HEADER <= size:
        stream.seek(place)
        head = stream.read(_HEADER)
        tag = int.from_bytes(head[:2], order), int.from_bytes(head[2:4], order)
        if tag != _ITEM:
            break
        length = int.from_bytes(head[4:], order)
        place += _HEADER + length
        if count < 0:
            table = length // _OFFSET
        else:
            stream.seek(max(place - _TAIL, place - length))
            ended = _END in stream.read(min(_TAIL, length))
            ends += ended
        count += 1
    return Pieces(table, max(0, count), ends, not ended)

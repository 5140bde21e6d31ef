"""Frames of a DICOM image, one at a time from the file: plain ones by their place in it, others through pydicom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.decoded_apart import decoded_apart
from medpipe.formats.dicom_extent import is_plain, pieces, plain_frames
from medpipe.formats.errors import FormatError
from medpipe.formats.silence import silence

_IMPLICIT, _EXPLICIT, _BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
_PLAIN = (_IMPLICIT, _EXPLICIT, _BIG)
_PALETTE = "PALETTE COLOR"
_COLOURS, _HALVES = ("Red", "Green", "Blue"), ("Descriptor", "Data")
_GREY = ("MONOCHROME1", "MONOCHROME2")
# Of an element's header: the tag, then by the encoding a type of two letters, a gap, and the length.
_LONG_HEADER, _SHORT_HEADER = 12, 8
# MPEG and HEVC: all frames are in one piece.
_VIDEO = ("1.2.840.10008.1.2.4.10",)
# What the pydicom of this writing has no name for.
_LATER = {"1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression"}
DECODERS = ("pydicom", "pylibjpeg", "pyjpegls", "pillow")
_EXTENDED_12_BIT = "1.2.840.10008.1.2.4.51"
_JPEG_12 = "; 12-bit JPEG needs the decoder pylibjpeg-libjpeg: pip install pylibjpeg-libjpeg"


class Frames:
    """The frames of a data set that was read up to its pixels, whose element begins at `place` of the file.

    Raises FormatError (`no-pixels`, `bad-header`, `unsupported`) where it describes no picture.
    """

    def __init__(self, data: Any, path: str, place: int | None) -> None:
        self._path, self._data = path, data
        self.syntax = str(getattr(data, "file_meta", {}).get("TransferSyntaxUID", "") or "")
        if "Rows" not in data or "Columns" not in data:
            if place is not None and _holds_pixels(path, place):
                raise FormatError(
                    "bad-header", "the DICOM object holds pixels, and does not say how many rows and columns"
                )
            raise FormatError("no-pixels", "the DICOM object holds neither an image nor a waveform")
        try:
            self.rows, self.columns = int(data.Rows), int(data.Columns)
            self.samples = int(data.get("SamplesPerPixel") or 1)
            self.bits_allocated = int(data.BitsAllocated)
            self.bits_stored = int(data.get("BitsStored") or self.bits_allocated)
            high = data.get("HighBit")
            self.high_bit = self.bits_stored - 1 if high is None else int(high)
            self.signed = bool(int(data.get("PixelRepresentation") or 0))
            self.count = int(data.get("NumberOfFrames") or 1)
        except (AttributeError, TypeError, ValueError):
            raise FormatError("bad-header", "the DICOM image lacks its size or the bits of a pixel") from None
        self.photometric = str(data.get("PhotometricInterpretation") or "MONOCHROME2").strip()
        self.colour = self.photometric not in _GREY
        self._check()
        self._plugin, self._fragile = "", False
        self._plain = _PlainPixels.find(self, place)
        if self._plain is None:
            self._check_decoder()
        self.held = self.count if self.count == 1 else min(self.count, self._held(place))
        self._decoded: tuple[int, Iterator[NDArray[Any]]] | None = None

    def _check(self) -> None:
        whole = self.bits_allocated in (1, 8, 16, 32, 64)
        if min(self.rows, self.columns, self.count) < 1 or not whole or not 0 < self.bits_stored <= self.bits_allocated:
            raise FormatError("bad-header", "the DICOM image's size or bits are none that a picture can have")
        if not self.bits_stored - 1 <= self.high_bit < self.bits_allocated:
            raise FormatError("bad-header", "the DICOM image's high bit does not go with its stored bits")
        if self.photometric == _PALETTE:
            for part in (f"{colour}PaletteColorLookupTable{half}" for colour in _COLOURS for half in _HALVES):
                if part not in self._data and f"Segmented{part}" not in self._data:
                    raise FormatError("bad-header", f"the DICOM image's palette lacks its {part}")
        if self.samples not in (1, 3):
            raise FormatError(
                "unsupported", f"a DICOM image of {self.samples} samples a pixel is not read: 1 and 3 are"
            )
        if not self.syntax:
            raise FormatError("bad-header", "the DICOM file does not say in which transfer syntax its pixels are")

    def _check_decoder(self) -> None:
        """What cannot be read of any frame is one error, not one for each."""
        from pydicom.pixels import get_decoder

        decoder = self._guarded(lambda: get_decoder(self.syntax))
        if not decoder.is_available:
            raise FormatError("unsupported", f"no decoder for {self._syntax_name()} is installed")
        self._plugin = next((name for name in DECODERS if name in decoder.available_plugins), "")
        # GDCM ends the process where a stream is damaged: it is asked where there is nobody else, and in its own.
        self._fragile = not self._plugin and bool(decoder.available_plugins)

    def _held(self, place: int | None) -> int:
        """How many of the promised frames the file has room for."""
        if self.syntax.startswith(_VIDEO):
            return 0
        bits = self.rows * self.columns * self.bits_allocated * (2 if self._halved else self.samples)
        if place is None:
            from pydicom import dcmread

            whole = self._guarded(lambda: dcmread(self._path, force=True).get("PixelData") or b"")
            return len(whole) * 8 // bits
        element = _element(self._path, place, self.syntax)
        if element is None:
            return self.count
        if is_plain(element[1]):
            return plain_frames(self._path, *element, bits)
        found = pieces(self._path, element[0], "big" if self.big_endian else "little")
        if "ExtendedOffsetTable" not in self._data and not found.apart(self.count):
            cut = f"its pixels are cut into {found.items} pieces, and nothing tells which of them make a frame"
            raise FormatError("truncated", f"the DICOM file promises {self.count} frames; {cut}")
        return found.most

    @property
    def _halved(self) -> bool:
        """Whether plain colours are stored for every second pixel alone."""
        return self.samples == 3 and "422" in self.photometric

    @property
    def big_endian(self) -> bool:
        """Whether words of the file have their high byte first."""
        return self.syntax == _BIG

    @property
    def shape(self) -> tuple[int, ...]:
        """[rows, columns], and 3 for colour."""
        return (self.rows, self.columns, 3) if self.colour else (self.rows, self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        if self.bits_allocated == 64:
            return np.dtype(np.float64)
        if self.photometric == _PALETTE:
            return np.dtype(np.uint8 if self.colour_bits == 8 else np.uint16)
        size = max(1, self.bits_allocated // 8)
        return np.dtype(f"{'i' if self.signed else 'u'}{size}")

    @property
    def colour_bits(self) -> int:
        """Bits of a colour: of a palette those of its tables."""
        if self.photometric != _PALETTE:
            return self.bits_stored
        return int(self._data.RedPaletteColorLookupTableDescriptor[2])

    @property
    def ends(self) -> tuple[int, int]:
        """Lowest and highest value of the stored bits."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    def stored(self, number: int) -> NDArray[Any]:
        """Stored values [rows, columns] of a grey frame. FormatError when they are not there or are damaged."""
        self._check_held(number)
        if self._plain is not None:
            return self._plain.read(number)
        return self._through_pydicom(number)

    def rgb(self, number: int) -> NDArray[Any]:
        """A colour frame as RGB [rows, columns, 3]; of a palette 16 bits, as its tables hold."""
        self._check_held(number)
        frame = self._through_pydicom(number)
        if self.photometric == _PALETTE:
            from pydicom.pixels import apply_color_lut

            painted: NDArray[Any] = self._guarded(lambda: apply_color_lut(frame, self._data)[..., :3])
            return painted
        if frame.shape != self.shape:
            raise FormatError("bad-header", f"the DICOM image is {self.photometric} of {self.samples} samples a pixel")
        return frame

    def _check_held(self, number: int) -> None:
        # The last frame tells itself how much of it is there.
        if number >= self.held and (self._plain is None or self.held + 1 < self.count):
            if self.syntax.startswith(_VIDEO):
                raise self._unread()
            said = f"the DICOM file promises {self.count} frames and holds {self.held} at most"
            raise FormatError("truncated", said)

    def _through_pydicom(self, number: int) -> NDArray[Any]:
        from pydicom import dcmread
        from pydicom.pixels import pixel_array

        # One frame goes in whole; pydicom finds pixels in a deflated file only so, since it is one compressed whole.
        whole = self.count == 1 or self.syntax == DEFLATED

        def alone() -> NDArray[Any]:
            source = dcmread(self._path, force=True) if whole else self._path
            pixels: NDArray[Any] = pixel_array(source, index=number, decoding_plugin=self._plugin)
            return pixels

        if self._fragile:
            return _native(self._guarded(lambda: decoded_apart(self._path, number, whole=whole)))
        if whole:
            return _native(self._guarded(alone))
        try:
            return _native(self._next(number))
        except FormatError:
            # Going through them, pydicom trips over frames that it reads well alone.
            return _native(self._guarded(alone))

    def _next(self, number: int) -> NDArray[Any]:
        """By turns, since a compressed frame is found by passing over those before it."""
        from pydicom.pixels import iter_pixels

        if self._decoded is None or self._decoded[0] > number:
            self._decoded = (0, self._guarded(lambda: iter(iter_pixels(self._path, decoding_plugin=self._plugin))))
        place, frames = self._decoded
        self._decoded = None
        for _ in range(number - place):
            self._guarded(lambda: next(frames))
        frame: NDArray[Any] = self._guarded(lambda: next(frames))
        # After the last, the file is let go of.
        self._decoded = (number + 1, frames) if number + 1 < self.count else None
        return frame

    def _guarded(self, work: Any) -> Any:
        """What `work` gives; its failure as a FormatError that quotes nothing of the file."""
        try:
            with silence():
                return work()
        except StopIteration:
            raise FormatError("truncated", "the DICOM file holds fewer frames than it promises") from None
        except NotImplementedError as error:
            raise self._unread() from error
        except Exception as error:  # decoders raise anything at all
            raise self._failure(str(error)) from error

    def _failure(self, said: str) -> FormatError:
        if "not a transfer syntax" in said:
            return self._unread()
        # What the file ends within is left out of the data set.
        cut = "no pixel data to decode" in said
        if cut or "less than expected" in said or "truncat" in said.lower():
            return FormatError("truncated", f"the DICOM pixels ({self._syntax_name()}) end early")
        if "Unknown (0028,0004)" in said:
            return FormatError("bad-header", "the DICOM image's photometric interpretation is none that is known")
        if "could not broadcast" in said or "match the expected amount" in said:
            told = (
                f"a decoded frame ({self._syntax_name()}) is not of the {self.rows} x {self.columns} that are promised"
            )
            return FormatError("bad-pixels", told)
        if missing := re.search(r"Missing required element: \((\w{4},\w{4})\) '([\w /]+)'", said):
            return FormatError("bad-header", f"the DICOM image has no element ({missing[1]}), {missing[2]}")
        if "missing dependencies" in said or "plugins are missing" in said:
            return FormatError("unsupported", f"no decoder for {self._syntax_name()} is installed")
        hint = _JPEG_12 if self.syntax == _EXTENDED_12_BIT and self.bits_stored > 8 else ""
        return FormatError("bad-pixels", f"the DICOM pixels ({self._syntax_name()}) cannot be decoded{hint}")

    def _unread(self) -> FormatError:
        later = _LATER.get(self.syntax)
        said = (
            f"{later}, {self.syntax}, is read with pydicom 3.1 or later"
            if later
            else f"{self._syntax_name()} is not read"
        )
        return FormatError("unsupported", f"the transfer syntax {said}")

    def _syntax_name(self) -> str:
        from pydicom.uid import UID

        uid = UID(self.syntax)
        return str(uid) if uid.name == str(uid) else f"{uid.name}, {uid}"


def _native(frame: NDArray[Any]) -> NDArray[Any]:
    return frame.astype(frame.dtype.newbyteorder("="), copy=False)


class _PlainPixels:
    """Uncompressed frames of 8 or 16 bits: where the first begins, and how its bytes are read."""

    def __init__(self, frames: Frames, offset: int, length: int) -> None:
        self._frames, self._offset, self._length = frames, offset, length
        size = frames.bits_allocated // 8
        self._dtype = np.dtype(f"{'>' if frames.big_endian else '<'}u{size}")
        self._bytes = frames.rows * frames.columns * size

    @classmethod
    def find(cls, frames: Frames, place: int | None) -> _PlainPixels | None:
        """None where another way must be gone: compressed, colour, other sizes of pixels."""
        whole = frames.bits_allocated in ((16,) if frames.big_endian else (8, 16))
        if place is None or frames.syntax not in _PLAIN or frames.colour or frames.samples != 1 or not whole:
            return None
        element = _element(frames._path, place, frames.syntax)
        return cls(frames, *element) if element is not None and is_plain(element[1]) else None

    def read(self, number: int) -> NDArray[Any]:
        """Stored values [rows, columns], bits beyond the stored ones cut off, the sign extended."""
        frames, start = self._frames, number * self._bytes
        with open(frames._path, "rb") as stream:
            stream.seek(self._offset + start)
            raw = stream.read(min(self._bytes, max(0, self._length - start)))
        if len(raw) < self._bytes:
            raise FormatError(
                "truncated", f"a frame of the DICOM image holds {len(raw)} bytes, its header promises {self._bytes}"
            )
        values = np.frombuffer(raw, self._dtype).reshape(frames.rows, frames.columns)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        spare, above = frames.bits_allocated - frames.bits_stored, frames.bits_allocated - frames.high_bit - 1
        signed = values.view(frames.dtype)
        # Arithmetic to the right: it extends the sign where there is one.
        return (values << above).view(frames.dtype) >> spare if spare else signed


def _element(path: str, place: int, syntax: str) -> tuple[int, int] | None:
    """Where the pixels of an element at `place` begin, and its length; None where it holds none of integers."""
    with open(path, "rb") as stream:
        stream.seek(place)
        head = stream.read(_LONG_HEADER)
    order = "big" if syntax == _BIG else "little"
    if len(head) < _LONG_HEADER:
        raise FormatError("no-pixels", "the DICOM image holds no pixels")
    group, element = (int.from_bytes(head[k : k + 2], order) for k in (0, 2))  # type: ignore[arg-type]
    if (group, element) != (0x7FE0, 0x0010):
        return None
    size = _SHORT_HEADER if syntax == _IMPLICIT else _LONG_HEADER
    return place + size, int.from_bytes(head[size - 4 : size], order)  # type: ignore[arg-type]


def _holds_pixels(path: str, place: int) -> bool:
    with open(path, "rb") as stream:
        stream.seek(place)
        return stream.read(4) in (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")

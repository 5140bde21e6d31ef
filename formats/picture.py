"""PNG, JPEG and TIFF pictures, by Pillow; each page of a TIFF is a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError
from medpipe.formats.grey_levels import Range, Voi, given_window, levels
from medpipe.formats.image import Image
from medpipe.formats.silence import silence

_FORMATS: Final = ("PNG", "JPEG", "TIFF")
# Modes of Pillow that hold one grey value a pixel, and of what type.
_GREY: Final = {"1": "u1", "L": "u1", "I;16": "u2", "I;16L": "u2", "I;16B": "u2", "I": "i4", "F": "f4"}
_ORIENTATION, _PHOTOMETRIC = 0x0112, 0x0106
_TURNED: Final = range(2, 9)
_PLAIN_TOPS: Final = {"u1": 255.0, "u2": 65535.0}


def open_picture(path: str, voi: str = "file") -> list[Image]:
    """The pictures of a file, their pixels not yet read.

    Grey values of more than 8 bits are shown over their full range, or by a window; `none` keeps them. Raises
    FormatError.
    """
    with _opened(path) as file:
        try:
            count = int(getattr(file, "n_frames", 1))
        except Exception as error:  # a damaged page may raise anything at all
            raise FormatError("bad-header", "the picture's pages cannot be counted: it is damaged") from error
        return [_page(file, path, number, voi) for number in range(count)]


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A file that is open; what is done with it makes no noise."""
    import PIL.Image

    with silence():
        try:
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            file = PIL.Image.open(path, formats=_FORMATS)
        except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
            raise FormatError("too-large", "the picture has more pixels than any that a scanner makes") from error
        except Exception as error:  # a damaged header may raise anything at all
            raise FormatError("bad-header", "the picture is damaged, or of a kind that is not read") from error
        with file:
            yield file


def _page(file: Any, path: str, number: int, voi: str) -> Image:
    try:
        file.seek(number)
        # Asked first: a PNG forgets it when its other entries are read.
        deep = _is_deep(file)
        turned = int(file.getexif().get(_ORIENTATION, 1))
    except Exception as error:  # a damaged page may raise anything at all
        raise FormatError("bad-header", f"page {number} of the picture is damaged") from error
    mode, (columns, rows) = file.mode, file.size
    rows, columns = (columns, rows) if turned in (5, 6, 7, 8) else (rows, columns)
    kind, shown = _GREY.get(mode), None
    said: dict[str, Any] = {}
    if turned in _TURNED:
        said["turned"] = f"as its EXIF orientation {turned} says"
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in file.info:
        said["transparency"] = "left out"
    if kind is None and deep:
        said["bits"] = "16, the lower 8 left out"
    if kind is not None and voi != "none":
        shown = _voi(kind, voi)
    # Of deeper grey than 8 bits Pillow leaves a picture whose white is 0 as it is.
    inverted = shown is not None and kind != "u1" and getattr(file, "tag_v2", {}).get(_PHOTOMETRIC) == 0
    shape = (rows, columns) if kind is not None or mode in ("LA", "La") else (rows, columns, 3)
    dtype = np.dtype(np.uint8) if kind is None or shown is not None else np.dtype(kind)

    def read() -> NDArray[Any]:
        values = _pixels(path, number, mode)
        return values if shown is None else levels(values.astype(np.float64), shown, inverted=inverted)

    def identity() -> dict[str, Any]:
        from medpipe.formats.picture_identity import picture_identity

        try:
            with _opened(path) as file:
                file.seek(number)
                file.load()
                return picture_identity(file)
        except FormatError:
            raise
        except Exception as error:  # a damaged entry may raise anything at all
            raise FormatError("bad-header", "the picture's text and EXIF entries are damaged") from error

    facts = {"photometric": mode, "voi": shown.facts() if shown is not None else None}
    facts |= {"inverted": True} if inverted else {}
    return Image(file.format.lower(), shape, dtype, read, pixels=facts, said=said, identity=identity)


def _is_deep(file: Any) -> bool:
    """Whether colours of 16 bits are read as 8, which is all that Pillow has room for."""
    return any(";16" in str(tile[3]) for tile in file.tile)


def _voi(kind: str, voi: str) -> Voi | None:
    """None where the values are grey levels already."""
    given = given_window(voi)
    if given is not None:
        return given
    if kind == "u1":
        return None
    if kind not in _PLAIN_TOPS:
        raise FormatError(
            "no-window", "grey values of 32 bits, or signed, have no range to show: give --voi CENTER,WIDTH, or none"
        )
    return Range(0.0, _PLAIN_TOPS[kind])


def _pixels(path: str, number: int, mode: str) -> NDArray[Any]:
    import PIL.ImageOps

    try:
        with _opened(path) as file:
            file.seek(number)
            turned = PIL.ImageOps.exif_transpose(file)
            if mode == "1":
                return np.asarray(turned.convert("L"))
            if mode in _GREY:
                return np.asarray(turned).astype(_GREY[mode], copy=False)
            return np.asarray(turned.convert("L" if mode in ("LA", "La") else "RGB"))
    except FormatError:
        raise
    except Exception as error:  # decoders raise anything at all
        raise FormatError("bad-pixels", "the picture is damaged or ends early") from error

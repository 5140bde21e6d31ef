"""DICOM files: a waveform object holds recordings, an image object pictures."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

from medpipe.formats.dicom_frames import DEFLATED
from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image


def open_dicom(path: str, voi: str = "file") -> list[Ecg] | list[Image]:
    """The recordings or pictures of a file, samples and pixels not yet read.

    Args:
        path: of the file.
        voi: how grey values are shown, see `dicom_image`.

    Raises:
        FormatError: damaged, truncated, or an object that holds neither.
    """
    from pydicom import config

    # What a value may look like is checked where it is used, with one message for all; pydicom's own warnings
    # quote the file's content.
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, place = _read(path)
        if data.get("WaveformSequence"):
            from medpipe.formats.dicom_waveform import open_waveforms

            return open_waveforms(data, _headers(data))
        from medpipe.formats.dicom_image import open_images

        try:
            return open_images(data, path, place, lambda: _quietly(_headers, data), voi)
        except FormatError:
            raise
        except Exception as error:  # a damaged element may raise anything at all
            raise FormatError("bad-header", "the DICOM image lacks a required value, or holds a wrong one") from error


def _quietly(work: Callable[[Any], dict[str, Any]], data: Any) -> dict[str, Any]:
    from pydicom import config

    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(data)


def _headers(data: Any) -> dict[str, Any]:
    """Top-level values by keyword; one that cannot be parsed is left out."""
    found = {}
    for tag in list(data.keys()):
        try:
            one = data[tag]
        except Exception:  # a damaged element may raise anything at all
            continue
        if one.keyword and one.VR not in ("SQ", "OB", "OW", "UN"):
            found[one.keyword] = str(one.value)
    return found


def _read(path: str) -> tuple[Any, int | None]:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        # Waveforms come before pixels: of an image, only the header is read.
        with open(path, "rb") as stream:
            data = dcmread(stream, force=True, stop_before_pixels=True)
            place = stream.tell()
        # Elements are parsed when they are first touched: this one now, so that damage shows here.
        data.get("WaveformSequence")
        if not len(data):
            raise FormatError("bad-header", "the file holds no DICOM data element")
        deflated = str(getattr(data, "file_meta", {}).get("TransferSyntaxUID", "")) == DEFLATED
        return data, None if deflated else place
    except FormatError:
        raise
    except InvalidDicomError as error:
        raise FormatError("bad-header", "not a DICOM file") from error
    except OSError as error:
        raise FormatError(
            "truncated", f"the DICOM file cannot be read to its end: {error.strerror or 'cut'}"
        ) from error
    except zlib.error as error:
        raise FormatError("truncated", "the deflated DICOM data set ends early or is damaged") from error
    except Exception as error:  # a damaged element may raise anything at all
        raise FormatError("bad-header", "the DICOM file is damaged") from error

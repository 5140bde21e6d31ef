"""From a record to a request: a prompt, its images, and the answer where one is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from medpipe.cli.source_image import source_image
from medpipe.core.errors import InputError
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image
from medpipe.formats.jsonl import Record, decode
from medpipe.formats.registry import ReadOptions, open_file
from medpipe.formats.sniff import sniff

_IMAGE_FORMATS: Final = ("dicom", "nifti", "png", "jpeg", "tiff")
# Kinds of files that never hold one: their own readers would speak of leads and tables.
_NO_IMAGES: Final = ("csv", "edf", "gifti", "hdf5", "jsonl", "wfdb")


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked."""

    prompt: str
    images: list[NDArray[np.uint8]]
    answer: str | None


def read_request(record: Record, options: ReadOptions) -> Request:
    """Images are paths or records of an image, under `images`; or the record is one of an image itself. Of records that
    have their image no more, as those of `ground`, it is read again from their source.

    Raises InputError, FormatError.
    """
    prompt, answer = record.get("prompt"), record.get("answer")
    if answer is not None and not isinstance(answer, str):
        raise InputError("bad-answer", "the answer is not a text")
    listed = record.get("images", [])
    if not isinstance(listed, list):
        raise InputError("bad-images", "images is not a list of paths or records")
    images = [one for given in listed for one in _images(given, options)]
    if is_array(record.get("image")):
        images.append(materialise(record["image"]))
    elif "images" not in record and _is_of_image(record):
        images.append(source_image(record["source"], options).read())
    elif record.get("image") is not None:
        raise InputError("bad-images", "image is no array of pixels: paths go under images, as a list")
    # Images alone are a request too, where the prompt is there and empty.
    if not isinstance(prompt, str) or not (prompt or images):
        raise InputError("no-prompt", "the record has no prompt: a request is {prompt, images, answer}")
    return Request(prompt, images, answer if answer and answer.strip() else None)


def light(record: Record) -> Record:
    """A request without its pixels: of a record among its images the id is left."""
    out = {key: value for key, value in record.items() if not is_array(value)}
    if isinstance(record.get("images"), list):
        out["images"] = [given.get("id") if isinstance(given, dict) else given for given in record["images"]]
    return out


def _images(given: Any, options: ReadOptions) -> list[NDArray[np.uint8]]:
    if isinstance(given, str) and given.strip():
        return _of_file(given, options)
    if isinstance(given, dict) and given.get("image") is not None:
        # Arrays are made of the values of a line: one within a list is still as it was written.
        image = decode(orjson.dumps({"image": given["image"]}))["image"]
        if is_array(image):
            return [materialise(image)]
    elif isinstance(given, dict) and _has_file(given):
        return [source_image(given["source"], options).read()]
    raise InputError("bad-images", "an image is neither a path, nor a record with an image or the source of one")


def _of_file(path: str, options: ReadOptions) -> list[NDArray[np.uint8]]:
    """Every image of a file; which file it was is part of what is said."""
    try:
        kind = sniff(path)
        found = [] if kind in _NO_IMAGES else open_file(path, kind, options)
        images = [one.read() for one in found if isinstance(one, Image)]
    except FormatError as error:
        raise FormatError(error.kind, str(error) if str(error).startswith(path) else f"{path}: {error}") from None
    if not images:
        raise FormatError("bad-image", f"{path} is no image")
    return images


def _has_file(record: Record) -> bool:
    source = record.get("source")
    return isinstance(source, dict) and "path" in source


def _is_of_image(record: Record) -> bool:
    """Whether the file that a record names is of an image: a request of text alone may come from a file too."""
    if not _has_file(record) or "fs" in record:
        return False
    return "boxes" in record or record["source"].get("format") in _IMAGE_FORMATS

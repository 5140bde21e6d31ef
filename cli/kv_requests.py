"""From a record to a request: a prompt, its images, and the answer where one is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image
from medpipe.formats.jsonl import Record, decode
from medpipe.formats.registry import ReadOptions, open_file
from medpipe.formats.sniff import sniff


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked."""

    prompt: str
    images: list[NDArray[np.uint8]]
    answer: str | None


def read_request(record: Record, options: ReadOptions) -> Request:
    """Images are paths or records with an image, under `images`; or the record is one of an image itself.

    Raises InputError, FormatError.
    """
    prompt, answer = record.get("prompt"), record.get("answer")
    if not isinstance(prompt, str) or not prompt:
        raise InputError("no-prompt", "the record has no prompt: a request is {prompt, images, answer}")
    if answer is not None and not isinstance(answer, str):
        raise InputError("bad-answer", "the answer is not a text")
    listed = record.get("images", [])
    if not isinstance(listed, list):
        raise InputError("bad-images", "images is not a list of paths or records")
    images = [one for given in listed for one in _images(given, options)]
    if is_array(record.get("image")):
        images.append(materialise(record["image"]))
    return Request(prompt, images, answer)


def light(record: Record) -> Record:
    """A request without its pixels: of a record among its images the id is left."""
    out = {key: value for key, value in record.items() if not is_array(value)}
    if isinstance(record.get("images"), list):
        out["images"] = [given.get("id") if isinstance(given, dict) else given for given in record["images"]]
    return out


def _images(given: Any, options: ReadOptions) -> list[NDArray[np.uint8]]:
    if isinstance(given, str):
        found = [one for one in open_file(given, sniff(given), options) if isinstance(one, Image)]
        if not found:
            raise FormatError("bad-image", f"{given} is no image")
        return [one.read() for one in found]
    if isinstance(given, dict) and "image" in given:
        # Arrays are made of the values of a line: one within a list is still as it was written.
        image = decode(orjson.dumps({"image": given["image"]}))["image"]
        if is_array(image):
            return [materialise(image)]
    raise InputError("bad-images", "an image is neither a path nor a record with an image")

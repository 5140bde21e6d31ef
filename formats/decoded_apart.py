"""Decoding in a process beside this one: a decoder that crashes on a damaged stream takes no run with it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

_BROKEN = "the decoder broke down"


def decoded_apart(path: str, number: int, *, whole: bool) -> NDArray[Any]:
    """Pixels of a frame as pydicom decodes them; `whole` files are read in first.

    One process serves all frames, and another takes its place when it has crashed. Raises RuntimeError with what
    decoding failed with.
    """
    answer = _Decoder.mine().ask({"path": path, "number": number, "whole": whole})
    if "failed" in answer:
        raise RuntimeError(answer["failed"])
    return np.frombuffer(answer["pixels"], answer["dtype"]).reshape(answer["shape"]).copy()


@dataclass(slots=True)
class _Decoder:
    owner: int
    child: int
    requests: BinaryIO
    answers: BinaryIO

    _only: ClassVar[_Decoder | None] = None

    @classmethod
    def mine(cls) -> _Decoder:
        """This process's own: a forked one must not listen to its parent's."""
        if cls._only is None or cls._only.owner != os.getpid():
            cls._only = cls._begun()
        return cls._only

    @classmethod
    def _begun(cls) -> Self:
        asked, requests = os.pipe()
        answers, answered = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(requests)
            os.close(answers)
            _serve(asked, answered)
        os.close(asked)
        os.close(answered)
        return cls(os.getpid(), child, os.fdopen(requests, "wb"), os.fdopen(answers, "rb"))

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """What came of a request; where nothing came, the process has come to an end."""
        try:
            self.requests.write(json.dumps(request).encode() + b"\n")
            self.requests.flush()
            head = self.answers.readline()
            answer: dict[str, Any] = json.loads(head)
            answer["pixels"] = self.answers.read(answer["bytes"])
            if len(answer["pixels"]) < answer["bytes"]:
                raise EOFError
        except (OSError, EOFError, ValueError):
            type(self)._only = None
            os.waitpid(self.child, 0)
            return {"failed": _BROKEN}
        return answer


def _serve(asked: int, answered: int) -> NoReturn:
    """Until there is nobody left to ask."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for kept in (0, 1, 2):
            os.dup2(null, kept)
        with os.fdopen(asked, "rb") as requests, os.fdopen(answered, "wb") as answers:
            for line in requests:
                head, pixels = _answer(json.loads(line))
                answers.write(json.dumps(head).encode() + b"\n" + pixels)
                answers.flush()
    finally:
        # Nothing of the parent's is to be flushed or cleaned up here.
        os._exit(0)


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    try:
        source = dcmread(request["path"], force=True) if request["whole"] else request["path"]
        pixels = pixel_array(source, index=request["number"])
    except Exception as error:  # decoders raise anything at all
        return {"failed": str(error), "bytes": 0}, b""
    stored = pixels.tobytes()
    return {"dtype": pixels.dtype.str, "shape": pixels.shape, "bytes": len(stored)}, stored

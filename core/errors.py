"""What a method says when it cannot use what it was given."""

from __future__ import annotations


class InputError(ValueError):
    """This record cannot be used by this method; the run goes on.

    `kind` is the short machine-readable name that the error record carries as its type.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ModelError(RuntimeError):
    """A checkpoint is missing, damaged or does not fit what was asked of it; the run cannot start.

    `unavailable` is true when the checkpoint is simply not there and could be fetched or added.
    """

    def __init__(self, message: str, *, unavailable: bool = False) -> None:
        super().__init__(message)
        self.unavailable = unavailable

"""What a reader or writer says when bytes are not what they should be."""

from __future__ import annotations


class FormatError(ValueError):
    """One input is bad: it becomes an error record and the run goes on.

    `kind` is the short machine-readable name that the error record carries as its type, such as
    `truncated`, `missing-file`, `bad-header`, `empty`, `bad-value`, `lfs-pointer`, `unknown-format`.
    The message names the cause; it never quotes header text that could identify a patient.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

"""Tab-separated tables as BIDS wants them: one line of names, `n/a` where there is no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def tsv(columns: Mapping[str, Sequence[Any]]) -> str:
    """The text of a table, numbers with nine digits at most.

    Args:
        columns: name to values, all of one length.
    """
    cells = [[_cell(value) for value in column] for column in columns.values()]
    rows = zip(*cells, strict=True)
    return "\n".join("\t".join(row) for row in ([*columns], *rows)) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.9g}" if np.isfinite(value) else "n/a"

"""Finite impulse responses: what was said some volumes ago beside what is said now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError

# Volumes from words to responses, as Huth et al. 2016 (doi:10.1038/nature17637) with a TR of 2 s.
DELAYS: Final = (1, 2, 3, 4)


def delayed(values: NDArray[Any], delays: Sequence[int] = DELAYS) -> NDArray[np.float32]:
    """One story's course beside itself, later by each delay; zeros come in where the story had not begun or was over.

    Args:
        values: [time, n].
        delays: in volumes; a negative one looks ahead, from responses to the words before them.

    Returns:
        [time, n * delays], all columns of one delay together.

    Raises:
        InputError: a delay is as long as the story.
    """
    length = len(values)
    if any(abs(delay) >= length for delay in delays):
        raise InputError("too-short", f"delays of {max(map(abs, delays))} volumes in a story of {length}")
    width = values.shape[1]
    made = np.zeros((length, width * len(delays)), np.float32)
    for place, delay in enumerate(delays):
        columns = slice(place * width, (place + 1) * width)
        made[max(delay, 0) : length + min(delay, 0), columns] = values[max(-delay, 0) : length - max(delay, 0)]
    return made


def look_back(delays: Sequence[int] = DELAYS) -> tuple[int, ...]:
    """The delays that bring responses to the words that caused them."""
    return tuple(-delay for delay in delays)

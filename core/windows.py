"""Where the windows of a recording lie."""

from __future__ import annotations

from collections.abc import Iterator


def window_bounds(samples: int, size: int, step: int | None = None) -> Iterator[tuple[int, int]]:
    """Start and stop of each window of a recording, in samples.

    A remainder is left out when it is shorter than half a window, else it comes as a short last window.
    A recording shorter than that is one short window all the same.

    Args:
        samples: length of the recording, at least 1.
        size: length of a window, at least 1.
        step: from one start to the next; `size` when None, so that windows touch.
    """
    step = size if step is None else step
    start = end = 0
    while start + size <= samples:
        end = start + size
        yield start, end
        start += step
    # With an overlap the next window may hold nothing new.
    if start < samples and samples > end and (end == 0 or 2 * (samples - start) >= size):
        yield start, samples


def seconds_text(seconds: float) -> str:
    """A time for a record id: microseconds at most, no trailing zeros."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")

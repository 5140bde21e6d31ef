"""An electrocardiogram as every reader hands it over: described at once, its samples read on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class Ecg:
    """One recording inside a file.

    `read(start, stop)` gives physical values, float32 [leads, stop - start], NaN where the format
    marks a sample as absent; the rows follow `leads`. It raises FormatError when the bytes are not
    there. Rows are in mV where the header names a voltage (`units` says `mV`), and otherwise in the
    header's own unit, `unknown` when it names none.
    """

    format: str
    fs: float
    leads: list[str]
    units: list[str]
    samples: int
    read: Callable[[int, int], NDArray[np.float32]]
    # Integer converter counts [leads, n]; physical = (digital - baseline) / gain, in `units`.
    read_digital: Callable[[int, int], NDArray[np.int32]] | None = None
    gain: list[float] | None = None
    baseline: list[int] | None = None
    # Lowest and highest value that the converter can give, a row each, in `units`: for saturation.
    adc_range: list[tuple[float, float]] | None = None
    # The header as it stands, identifying parts included: only `--fields` takes names out of it.
    headers: dict[str, Any] = field(default_factory=dict)
    # What the reader did that a user should know; goes into the record.
    said: dict[str, Any] = field(default_factory=dict)
    # What of the header identifies a person, by name; None where nothing tells.
    identity: Callable[[], dict[str, Any]] | None = None

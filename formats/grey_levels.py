"""From stored pixel values to what a viewer shows: value-of-interest windows and tables, 8 bits (PS3.3 C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.errors import FormatError

Values = NDArray[np.float64]
Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
# Centre and width in Hounsfield units, as radiology workstations offer them.
PRESETS: Final[dict[str, tuple[float, float]]] = {
    "abdomen": (60.0, 400.0),
    "bone": (480.0, 2500.0),
    "brain": (40.0, 80.0),
    "liver": (100.0, 110.0),
    "lung": (-600.0, 1600.0),
    "mediastinum": (50.0, 350.0),
    "soft-tissue": (40.0, 400.0),
    "stroke": (40.0, 40.0),
}


@dataclass(frozen=True, slots=True)
class Window:
    """A window of values; `origin` says who chose it.

    Raises FormatError (`bad-window`) for a width that its function has no meaning for.
    """

    center: float
    width: float
    function: Function = "LINEAR"
    origin: str = "file"

    def __post_init__(self) -> None:
        least = 1.0 if self.function == "LINEAR" else 0.0
        good = np.isfinite([self.center, self.width]).all() and self.width >= least and self.width > 0
        if not good:
            raise FormatError(
                "bad-window",
                f"a window of width {self.width:g} shows nothing: choose another with --voi CENTER,WIDTH or a preset",
            )

    def shares(self, values: Values) -> Values:
        """Values -> 0 (black) to 1 (white)."""
        if self.function == "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700))))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {"kind": "window", "center": self.center, "width": self.width, "function": self.function,
                "from": self.origin}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A VOI LUT: `entries` for the values from `first` on, the ends beyond them; `top` is white."""

    first: int
    entries: NDArray[np.integer[Any]]
    top: int

    def shares(self, values: Values) -> Values:
        """Values -> 0 (black) to 1 (white)."""
        place = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries[place] / self.top, np.float64)

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {"kind": "table", "entries": len(self.entries), "from": "file"}


@dataclass(frozen=True, slots=True)
class Range:
    """Values from black to white; `origin` says what gave the ends."""

    low: float
    high: float
    origin: str = "stored bits"

    def shares(self, values: Values) -> Values:
        """Values -> 0 (black) to 1 (white)."""
        return np.clip((values - self.low) / max(self.high - self.low, 1e-12), 0, 1)

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {"kind": "range", "low": self.low, "high": self.high, "from": self.origin}


Voi = Window | Table | Range


def levels(values: Values, voi: Voi, *, inverted: bool) -> NDArray[np.uint8]:
    """Grey levels 0 to 255 of values after the modality LUT; what is no number is black."""
    shares = np.nan_to_num(voi.shares(values), nan=1.0 if inverted else 0.0)
    return np.rint(255 * (1 - shares if inverted else shares)).astype(np.uint8)


def given_window(text: str) -> Window | None:
    """The window that `--voi` names by a preset or as CENTER,WIDTH; None for `file` and `none`.

    Raises ValueError for anything else.
    """
    if text in ("file", "none"):
        return None
    if text in PRESETS:
        return Window(*PRESETS[text], origin=f"preset {text}")
    numbers = text.split(",")
    try:
        center, width = (float(number) for number in numbers)
        return Window(center, width, origin="given")
    except FormatError as error:
        raise ValueError(str(error)) from None
    except ValueError:
        known = ", ".join(PRESETS)
        raise ValueError(f"{text} is no window: file, none, CENTER,WIDTH, or {known}") from None

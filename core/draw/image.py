"""A medical image in its true proportions, boxes on it, and a bar that tells its scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

_PAPER, _INK, _QUIET = "#101114", "#f2f2f2", "#a8adb5"
# Told apart on grey by colour-blind readers too (Okabe and Ito).
COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
_WIDTH, _LEAST, _MOST = 7.0, 2.5, 12.0
# Lengths of the bar in mm: the longest below a third of the picture.
_BARS: Final = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Box:
    """A box in pixels of the image, its corner first: the left edge of pixel 0 is 0; `true` ones are dashed."""

    label: str
    xyxy: tuple[float, float, float, float]
    score: float | None = None
    true: bool = False


def draw_image(
    pixels: NDArray[Any],
    *,
    spacing: tuple[float, float] | None = None,
    title: str | None = None,
    boxes: Sequence[Box] = (),
    caption: str = "",
) -> Figure:
    """The picture of an image.

    Args:
        pixels: [rows, columns] of any number type, drawn from its lowest value to its highest unless it is of 8 bits,
            or [rows, columns, 3] of 8 bits.
        spacing: mm from row to row and from column to column, which may differ.
        title: above it.
        boxes: drawn on it, a colour for each label.
        caption: below it.
    """
    rows, columns = pixels.shape[:2]
    down, across = spacing or (1.0, 1.0)
    height = min(_MOST, max(_LEAST, _WIDTH * rows * down / (columns * across)))
    figure = Figure(figsize=(_WIDTH, height + 0.7), facecolor=_PAPER)
    axes = figure.add_axes((0.01, 0.35 / (height + 0.7), 0.98, height / (height + 0.7)))
    axes.set_axis_off()
    ends: dict[str, Any] = {"vmin": 0, "vmax": 255} if pixels.dtype.name == "uint8" else {}
    axes.imshow(pixels, cmap="gray", aspect=down / across, extent=(0, columns, rows, 0), **ends)
    if title:
        figure.text(0.01, 1 - 0.2 / (height + 0.7), title, color=_INK, size=9, va="center")
    if caption:
        figure.text(0.99, 0.17 / (height + 0.7), caption, color=_QUIET, size=7, ha="right", va="center")
    _draw_boxes(axes, boxes)
    if spacing is not None:
        # A picture that is taller than the page is narrower than it.
        shown = min(0.98 * _WIDTH, height * columns * across / (rows * down))
        _draw_bar(figure, columns * across, shown / _WIDTH, 0.17 / (height + 0.7))
    return figure


def _draw_boxes(axes: Axes, boxes: Sequence[Box]) -> None:
    # The truth's first, so that a finding keeps its colour whatever was found.
    labels = list(dict.fromkeys(box.label for box in sorted(boxes, key=lambda box: not box.true)))
    for box in boxes:
        colour = COLOURS[labels.index(box.label) % len(COLOURS)]
        left, top, right, bottom = box.xyxy
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.4,
                                 linestyle=(0, (4, 3)) if box.true else "solid"))  # fmt: skip
        if box.true and any(_meet(box, other) for other in boxes if not other.true):
            continue
        said = box.label if box.score is None else f"{box.label} {box.score:.2f}"
        # Above the box, but at the picture's upper edge, where it would be cut off.
        stands = "bottom" if top > axes.get_ylim()[0] / 40 else "top"
        axes.text(left, top, said, size=7, color="#101114", va=stands, clip_on=True,
                  bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.2})  # fmt: skip


def _meet(box: Box, other: Box) -> bool:
    """Whether two boxes of one label overlap: the label of one is enough."""
    left, top, right, bottom = (max(box.xyxy[k], other.xyxy[k]) if k < 2 else min(box.xyxy[k], other.xyxy[k])
                                for k in range(4))  # fmt: skip
    return box.label == other.label and left < right and top < bottom


def _draw_bar(figure: Figure, extent: float, width: float, base: float) -> None:
    """A bar below a picture of `extent` mm, which takes the share `width` of the page; `base` is its height there."""
    fitting = [length for length in _BARS if length <= extent / 3]
    if not fitting:
        return
    share = width * fitting[-1] / extent
    figure.add_artist(Rectangle((0.01, base - 0.004), share, 0.008, color=_INK, transform=figure.transFigure))
    unit = f"{fitting[-1] // 10} cm" if fitting[-1] >= 10 else f"{fitting[-1]} mm"
    figure.text(0.02 + share, base, unit, color=_INK, size=7, va="center")

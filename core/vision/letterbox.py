"""An image fitted into a model's input, and boxes there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
How = Literal["letterbox", "stretch"]


@dataclass(frozen=True, slots=True)
class Fit:
    """How an image of `image` (width, height) lies in an input of `model` (width, height).

    `shown` (width, height) is what the image takes of it, from the corner `offset` on: all of it when stretched, and
    with its proportions kept, in the middle, when letterboxed. Edges are measured from the left of the first pixel.
    """

    how: How
    image: tuple[int, int]
    model: tuple[int, int]
    shown: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def make(cls, image: tuple[int, int], model: tuple[int, int], how: How) -> Self:
        """ValueError for sizes below one pixel."""
        if min(*image, *model) < 1:
            raise ValueError("an image and a model's input have at least one pixel a side")
        if how == "stretch":
            return cls(how, image, model, model, (0, 0))
        scale = min(model[0] / image[0], model[1] / image[1])
        shown = tuple(max(1, round(side * scale)) for side in image)
        offset = tuple((whole - part) // 2 for whole, part in zip(model, shown, strict=True))
        return cls(how, image, model, (shown[0], shown[1]), (offset[0], offset[1]))

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the input for one of the image, across and down; rounding makes them differ a little."""
        return self.shown[0] / self.image[0], self.shown[1] / self.image[1]

    def to_model(self, boxes: Boxes) -> Boxes:
        """Boxes [n, 4] as x, y, x, y in pixels of the image -> in pixels of the input."""
        return np.asarray(boxes, np.float64) * (self.scale * 2) + self.offset * 2

    def to_image(self, boxes: Boxes) -> Boxes:
        """Boxes [n, 4] in pixels of the input -> in pixels of the image, cut off at its edges."""
        found = (np.asarray(boxes, np.float64) - self.offset * 2) / (self.scale * 2)
        return np.clip(found, 0, self.image * 2)

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {"how": self.how, "image": list(self.image), "model": list(self.model), "scale": list(self.scale),
                "offset": list(self.offset)}  # fmt: skip


def fit_pixels(pixels: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """Pixels [rows, columns] or [rows, columns, 3] as the model's input [height, width, 3], black around them."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if fit.shown != fit.image:
        image = image.resize(fit.shown, Image.Resampling.BICUBIC)
    image = image.convert("RGB")
    if fit.shown != fit.model:
        whole = Image.new("RGB", fit.model)
        whole.paste(image, fit.offset)
        image = whole
    return np.array(image)

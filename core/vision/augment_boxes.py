"""A picture changed at random, its boxes with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.core.vision.ground_settings import GroundSettings
from medpipe.core.vision.letterbox import Boxes

Pixels = NDArray[np.uint8]


def augmented(
    pixels: Pixels, boxes: Boxes, settings: GroundSettings, rng: np.random.Generator
) -> tuple[Pixels, Boxes, NDArray[np.bool_]]:
    """Pixels, the boxes that are left [m, 4], and which of the given [n, 4] these are.

    A box goes where its middle is cut off, and is clipped at the new edges otherwise; no crop cuts off all of them.
    """
    kept = np.ones(len(boxes), bool)
    if settings.crop:
        pixels, boxes, kept = _cropped(pixels, boxes, settings.crop, rng)
    if settings.flips:
        pixels, boxes = _flipped(pixels, boxes, rng)
    if settings.levels:
        pixels = _relevelled(pixels, settings.levels, rng)
    return pixels, boxes, kept


def _cropped(
    pixels: Pixels, boxes: Boxes, most: float, rng: np.random.Generator
) -> tuple[Pixels, Boxes, NDArray[np.bool_]]:
    sides = np.array(pixels.shape[1::-1])
    shown = np.maximum(1, np.round(sides * (1 - rng.uniform(0, most, 2)))).astype(int)
    left, top = (int(corner) for corner in rng.integers(0, sides - shown + 1))
    width, height = (int(side) for side in shown)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 - (left, top)
    kept: NDArray[np.bool_] = np.logical_and.reduce((middles >= 0) & (middles < (width, height)), axis=1)
    if len(boxes) and not kept.any():
        return pixels, boxes, np.ones(len(boxes), bool)
    moved = np.clip(boxes[kept] - [left, top] * 2, 0, [width, height] * 2)
    return pixels[top : top + height, left : left + width], moved, kept


def _flipped(pixels: Pixels, boxes: Boxes, rng: np.random.Generator) -> tuple[Pixels, Boxes]:
    """Mirrored across and down, each in one of two."""
    height, width = pixels.shape[:2]
    across, down = rng.random(2) < 0.5
    if across:
        pixels, boxes = (
            pixels[:, ::-1],
            np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1),
        )
    if down:
        pixels, boxes = (
            pixels[::-1],
            np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], 1),
        )
    return pixels, boxes


def _relevelled(pixels: Pixels, most: float, rng: np.random.Generator) -> Pixels:
    gain, lift = 1 + rng.uniform(-most, most), 128 * rng.uniform(-most, most)
    table = np.clip(np.arange(256) * gain + lift, 0, 255).astype(np.uint8)
    changed: Pixels = table[pixels]
    return changed

"""Scores that mean probabilities: a scale and an offset for each concept's logit (Platt 1999)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# A Gaussian prior that keeps rare concepts near the common scale, and near their own offset.
_SCALE_PRIOR: Final = 20.0
_OFFSET_PRIOR: Final = 2.0
_ROUNDS: Final = 30


@dataclass(frozen=True)
class Calibration:
    """Scales [concepts] and offsets [concepts] of the logits."""

    scales: Array
    offsets: Array

    def apply(
        self, weights: NDArray[np.float32], biases: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Classifiers [concepts, dim] and [concepts] whose logits are the calibrated ones."""
        scaled = weights * self.scales[:, None]
        return scaled.astype(np.float32), (biases * self.scales + self.offsets).astype(np.float32)


def calibrate(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> Calibration:
    """From logits [n, concepts] of recordings that their network had not seen, and their truth (NaN: unknown)."""
    common = _platt(logits.ravel(), targets.ravel(), 1.0, 0.0)[0]
    pairs = [_platt(logits[:, k], targets[:, k], common, _SCALE_PRIOR) for k in range(logits.shape[1])]
    scales, offsets = np.array(pairs).T
    return Calibration(scales, offsets)


def _platt(
    logits: NDArray[np.float32], targets: NDArray[np.float32], start: float, prior: float
) -> tuple[float, float]:
    """Scale and offset by Newton's method, drawn to `start` and to 0."""
    known = ~np.isnan(targets)
    z, truth = logits[known].astype(np.float64), targets[known].astype(np.float64)
    design = np.stack([z, np.ones_like(z)], axis=1)
    centre, strength = np.array([start, 0.0]), np.array([prior, _OFFSET_PRIOR if prior else 0.0])

    def cost(at: Array) -> float:
        values = design @ at
        return float((np.logaddexp(0, values) - truth * values).sum() + (strength * np.square(at - centre)).sum() / 2)

    found = centre.copy()
    for _ in range(_ROUNDS):
        chance = 0.5 * (1 + np.tanh(design @ found / 2))
        slope = design.T @ (chance - truth) + strength * (found - centre)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(strength + 1e-6)
        step = np.linalg.solve(curvature, slope)
        # A full step can overshoot where the curve is flat.
        while cost(found - step) > cost(found) and np.abs(step).max() > 1e-9:
            step = step / 2
        found = found - step
    return float(found[0]), float(found[1])

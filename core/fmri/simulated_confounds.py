"""The confounds of a simulated run, under fMRIPrep's names and with what leaked into the data."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.fmri.scan_noise import ScanNoise

MOTION: Final = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
_HEAD_MM = 50.0
_COMPONENTS, _COMPONENT_NOISE = 5, 0.5
_PERIOD = 128.0

Columns = dict[str, NDArray[np.float64]]


def confounds(
    values: NDArray[np.float32], noise: ScanNoise, tr: float, rng: np.random.Generator
) -> tuple[Columns, dict[str, Any]]:
    """The table's columns [volumes], NaN where the first volume has no value, and its sidecar.

    Motion is the true one. Components and tissue means are mixtures of the true drifts with some noise.

    Args:
        values: [volumes, voxels], in the image's unit.
        noise: of the run.
        tr: seconds.
        rng: where all chance comes from.
    """
    tissue = _noisy_mixtures(noise.drifts, 2, rng)
    level = values.mean(axis=1, dtype=np.float64)
    table: Columns = {}
    for name, column in (
        ("global_signal", level),
        ("csf", level.mean() + tissue[:, 0]),
        ("white_matter", level.mean() + tissue[:, 1]),
    ):
        _expand(table, name, column)
    table |= _changes(values) | _displacement(noise.motion)
    components = _noisy_mixtures(noise.drifts, _COMPONENTS, rng)
    table |= {f"a_comp_cor_{place:02d}": column for place, column in enumerate(components.T)}
    table |= {f"cosine{place:02d}": column for place, column in enumerate(_cosines(len(values), tr).T)}
    for name, column in zip(MOTION, noise.motion.T, strict=True):
        _expand(table, name, column)
    return table, _sidecar()


def _sidecar() -> dict[str, Any]:
    facts = {"Method": "aCompCor", "Mask": "combined", "Retained": True}
    return {f"a_comp_cor_{place:02d}": facts for place in range(_COMPONENTS)}


def _expand(table: Columns, name: str, column: NDArray[np.float64]) -> None:
    """A column, its difference to the volume before, and the squares of both."""
    change = _difference(column)
    table |= {name: column, f"{name}_derivative1": change}
    table |= {f"{name}_power2": column**2, f"{name}_derivative1_power2": change**2}


def _difference(columns: NDArray[Any]) -> NDArray[np.float64]:
    made = np.full(columns.shape, np.nan)
    made[1:] = np.diff(columns, axis=0)
    return made


def _changes(values: NDArray[np.float32]) -> Columns:
    """DVARS: the root mean square of what changed over all voxels; as it is, and by its mean."""
    dvars = np.sqrt((_difference(values) ** 2).mean(axis=1))
    return {"std_dvars": dvars / np.nanmean(dvars), "dvars": dvars}


def _displacement(motion: NDArray[np.float64]) -> Columns:
    """Power et al. 2012 (doi:10.1016/j.neuroimage.2011.10.018): rotations are arcs on a sphere of 50 mm."""
    moved = np.abs(_difference(motion) * np.repeat([1.0, _HEAD_MM], 3))
    return {"framewise_displacement": moved.sum(axis=1)}


def _noisy_mixtures(sources: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    mixed = sources @ rng.standard_normal((sources.shape[1], count))
    made: NDArray[np.float64] = mixed + _COMPONENT_NOISE * rng.standard_normal(mixed.shape)
    return made


def _cosines(volumes: int, tr: float) -> NDArray[np.float64]:
    """What fMRIPrep's high-pass filter of 128 s takes out."""
    number = int(2 * volumes * tr / _PERIOD)
    steps = (np.arange(volumes) + 0.5)[:, None] * np.arange(1, number + 1)
    made: NDArray[np.float64] = np.sqrt(2 / volumes) * np.cos(np.pi / volumes * steps)
    return made

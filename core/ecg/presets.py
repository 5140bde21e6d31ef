"""What each published ECG model wants its input to be: rate, length, leads, scale.

A preset is a row of the table PRESETS and a function that applies it; a new one is a line here and
a file for its function, where no function here will do.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

# MIMIC-IV-ECG, on which MERL was trained, has aVF before aVL.
MERL_LEADS: Final = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


@dataclass(frozen=True, slots=True)
class Preset:
    """One model's preprocessing. `leads` is the order of the rows that the model sees."""

    name: str
    fs: float
    samples: int
    leads: tuple[str, ...]
    normalisation: str
    needs_all_leads: bool
    function: str

    @property
    def seconds(self) -> float:
        """Length of the window, in seconds."""
        return self.samples / self.fs

    @property
    def digest(self) -> str:
        """Twelve hex digits over everything that changes the numbers."""
        facts = [self.fs, self.samples, self.leads, self.normalisation, self.needs_all_leads]
        return hashlib.sha256(json.dumps([self.name, *facts]).encode()).hexdigest()[:12]

    def prepare(
        self, signal: NDArray[np.float32], fs: float, leads: Sequence[str], missing: str = "error"
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One window [len(leads), n] at `fs` Hz -> x [rows, samples] and which rows are real [rows].

        `missing` is `error` or `zero`: what to do about a lead that the model needs and the record
        has not. Raises InputError.
        """
        module, _, function = self.function.partition(":")
        x, present = getattr(import_module(module), function)(self, signal, fs, leads, missing)
        return x, present


PRESETS: Final[dict[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            name="merl",
            fs=500.0,
            samples=5000,
            leads=MERL_LEADS,
            normalisation="zero-pad at the end, then min-max over the whole array, epsilon 1e-8",
            needs_all_leads=True,
            function="medpipe.core.ecg.preprocess_merl:prepare",
        ),
        Preset(
            name="kmerl",
            fs=500.0,
            samples=5000,
            leads=MERL_LEADS,
            normalisation="zero-pad at the end, then min-max over the leads present, epsilon 1e-8",
            needs_all_leads=False,
            function="medpipe.core.ecg.preprocess_merl:prepare",
        ),
    )
}

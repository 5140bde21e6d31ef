"""What is done to the values of every run: given by options, told by records, known to models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from medpipe.core.fmri.cleaning import CleanOptions
from medpipe.core.fmri.detrend import Drift


@dataclass(frozen=True, slots=True)
class Treatment:
    """As the options of fmri-extract have it, in the order of its steps.

    Args:
        drop: volumes left out at the beginning.
        fwhm: of the Gaussian, mm.
        strategy: which confounds are taken out.
        scrub: framewise displacement above which a volume is left out, mm.
        detrend: drifts, as `Drift` reads them.
        low_pass: Hz.
        zscore: mean 0 and standard deviation 1 for every voxel.
        bad_voxels: `zero` or `nan`, in place of voxels that say nothing.
    """

    drop: int = 0
    fwhm: float | None = None
    strategy: str | None = None
    scrub: float | None = None
    detrend: tuple[str, ...] = ()
    low_pass: float | None = None
    zscore: bool = False
    bad_voxels: str = "zero"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From what a record says. ValueError for what no record says."""
        known = {one.name: one.default for one in fields(cls)}
        values: dict[str, Any] = dict(said)
        if "detrend" in values:
            values["detrend"] = tuple(values["detrend"])
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"{', '.join(unknown)} is none of {', '.join(known)}")
        return cls(**values)

    def said(self) -> dict[str, Any]:
        """For a record, in JSON's types: what is not as it is by itself."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        return values | ({"detrend": list(self.detrend)} if self.detrend else {})

    @property
    def clean(self) -> CleanOptions:
        """The steps of cleaning. Raises ValueError."""
        return CleanOptions(tuple(map(Drift.parse, self.detrend)), self.low_pass, self.zscore)

    @property
    def bad(self) -> float:
        """The value of voxels that say nothing."""
        return float("nan") if self.bad_voxels == "nan" else 0.0


def told(said: Mapping[str, Any]) -> str:
    """What a record says was done, in words."""
    parts = []
    for name, value in said.items():
        shown = ",".join(map(str, value)) if isinstance(value, list) else f"{value}"
        parts.append(name if value is True else f"{name} {shown}")
    return ", ".join(parts) or "nothing done to them"

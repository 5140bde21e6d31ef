"""The layout of BIDS derivatives, as fMRIPrep writes it: runs, and the mask and confounds that go with each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from medpipe.formats.errors import FormatError

_RUNS = ("_desc-preproc_bold.nii.gz", "_desc-preproc_bold.nii", "_bold.dtseries.nii", "_bold.func.gii")
# The second is the name of fMRIPrep before version 20.
_CONFOUNDS = ("_desc-confounds_timeseries.tsv", "_desc-confounds_regressors.tsv")
_MASK = "_desc-brain_mask.nii.gz"
# Entities of the image alone: confounds are of the run, whatever space it was brought into.
_OF_THE_IMAGE = ("space", "res", "den", "hemi", "desc")
# Of images without the entity `space`: as they were scanned.
NATIVE = "native"
_ENTITY = re.compile(r"([A-Za-z]+)-([A-Za-z0-9+]+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs, by their entities; None takes any."""

    subject: str
    task: str | None = None
    session: str | None = None
    run: str | None = None
    space: str | None = None

    def matches(self, entities: dict[str, str]) -> bool:
        """Whether a file of these entities is wanted."""
        entities = {"space": NATIVE, **entities}
        pairs = (("sub", self.subject), ("task", self.task), ("ses", self.session), ("space", self.space))
        if any(value is not None and entities.get(key) != value.removeprefix(f"{key}-") for key, value in pairs):
            return False
        return self.run is None or entities.get("run", "").lstrip("0") == self.run.removeprefix("run-").lstrip("0")


def entities(name: str) -> dict[str, str]:
    """The entities of a file's name: `sub`, `task`, `space` and so on."""
    return dict(_ENTITY.findall(name))


def find_runs(folder: str, wanted: Wanted) -> list[str]:
    """The preprocessed runs of a subject, in the order of their names.

    Raises:
        FormatError: there is none, or they are there in several spaces and none was chosen.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FormatError("missing-file", f"{folder}: no such folder")
    subject = f"sub-{wanted.subject.removeprefix('sub-')}"
    below = root / subject if (root / subject).is_dir() else root
    files = [path for path in sorted(below.rglob(f"{subject}_*")) if path.name.endswith(_RUNS)]
    found = [path for path in files if wanted.matches(entities(path.name))]
    if not found:
        there = f"; other runs of it are: {_few(files)}" if files else ""
        raise FormatError("missing-file", f"{folder}: no preprocessed run of {subject} that is asked for{there}")
    spaces = sorted({entities(path.name).get("space", NATIVE) for path in found})
    if len(spaces) > 1:
        raise FormatError(
            "ambiguous", f"{folder}: the runs are there in several spaces, choose one: {', '.join(spaces)}"
        )
    return [str(path) for path in found]


def _few(files: list[Path]) -> str:
    names = [path.name for path in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def mask_of(path: str) -> str | None:
    """The brain mask beside a run, in its space; None where there is none."""
    stem = next((path.removesuffix(suffix) for suffix in _RUNS if path.endswith(suffix)), path)
    mask = f"{stem}{_MASK}"
    return mask if Path(mask).is_symlink() or Path(mask).exists() else None


def confounds_of(path: str) -> str:
    """The table of confounds of a run. FormatError when it is not there."""
    parts = Path(path).name.split("_")
    stem = "_".join(part for part in parts[:-1] if part.partition("-")[0] not in _OF_THE_IMAGE)
    for suffix in _CONFOUNDS:
        table = Path(path).with_name(stem + suffix)
        if table.is_symlink() or table.exists():
            return str(table)
    raise FormatError("missing-file", f"no confounds beside the run: {stem}{_CONFOUNDS[0]} is not there")

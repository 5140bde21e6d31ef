"""The folder of a simulated data set, in the layout of fMRIPrep's derivatives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.exits import WRITE_FAILED, Fatal
from medpipe.cli.simulated_stories import Heard
from medpipe.core import __version__
from medpipe.core.fmri.simulated_confounds import Columns
from medpipe.core.fmri.simulated_scan import SLOPE, Head
from medpipe.core.fmri.simulated_subject import PEAKS, Subject
from medpipe.core.fmri.story import Story
from medpipe.formats.scan_write import write_scan
from medpipe.formats.table_write import tsv
from medpipe.formats.textgrid_write import Interval, text_grid

_DESCRIPTION = {
    "Name": "Simulated listeners",
    "BIDSVersion": "1.10.0",
    "DatasetType": "derivative",
    "GeneratedBy": [{"Name": "medpipe fmri-sim", "Version": __version__}],
}


@contextmanager
def fresh_folder(output: str) -> Iterator[Path]:
    """A folder beside `output` to write into, which gets its name when all went well and else is gone.

    Raises:
        Fatal: `output` is a file or not empty, or an earlier run was killed and its part lies there.
        OSError: it cannot be written.
    """
    target = Path(output).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Fatal(WRITE_FAILED, f"{output} is not an empty folder: give a new name")
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.mkdir()
    except FileExistsError:
        raise Fatal(WRITE_FAILED, f"{part}, left by a killed run, is in the way: remove it") from None
    try:
        yield part
        part.replace(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One run: subject and repeat counted from 1, counts [x, y, z, volumes], confounds and their sidecar."""

    subject: int
    heard: Heard
    repeat: int
    counts: NDArray[np.int16]
    confounds: Columns
    sidecar: dict[str, Any]

    @property
    def stem(self) -> str:
        """What the names of all its files begin with."""
        run = f"_run-{self.repeat}" if self.heard.test else ""
        return f"sub-{self.subject:02d}_task-{self.heard.story.name}{run}"


@dataclass(frozen=True, slots=True)
class SimulatedFolder:
    """Writes the files; `tr` between volumes, `start` of the sound in the scan, in seconds."""

    root: Path
    tr: float
    start: float

    def write_stories(self, stories: Sequence[Story], *, phones: bool) -> None:
        """A TextGrid for each story, times those of the sound."""
        folder = self.root / "stimuli"
        folder.mkdir()
        for story in stories:
            words = _intervals(story)
            tiers = {"phones": _letters(words)} if phones else {}
            (folder / f"{story.name}.TextGrid").write_text(text_grid(story.seconds, {**tiers, "words": words}), "utf-8")

    def write_truth(self, truth: dict[str, Any]) -> None:
        """What is known of the data set, beside what BIDS wants."""
        _write_json(self.root / "dataset_description.json", _DESCRIPTION)
        _write_json(self.root / "truth.json", truth)

    def write_weights(self, subjects: Sequence[Subject]) -> None:
        """What each voxel of the mask responds to, [features, voxels], and its peak in seconds."""
        import h5py

        with h5py.File(self.root / "truth.h5", "w") as file:
            for number, subject in enumerate(subjects, start=1):
                group = file.create_group(f"sub-{number:02d}")
                group["weights"] = subject.weights.astype("<f4")
                group["peaks"] = PEAKS[subject.delays].astype("<f4")
                group["active"] = subject.active

    def write_run(self, run: RunFiles, head: Head) -> None:
        """Scan, mask, confounds and events."""
        folder = self.root / f"sub-{run.subject:02d}" / "func"
        folder.mkdir(parents=True, exist_ok=True)
        write_scan(folder / f"{run.stem}_desc-preproc_bold.nii.gz", run.counts, head.affine, self.tr, SLOPE)
        _write_json(
            folder / f"{run.stem}_desc-preproc_bold.json",
            {"RepetitionTime": self.tr, "TaskName": run.heard.story.name, "SkullStripped": False,
             "SliceTimingCorrected": True, "StartTime": self.tr / 2},
        )  # fmt: skip
        write_scan(folder / f"{run.stem}_desc-brain_mask.nii.gz", head.mask.astype(np.uint8), head.affine)
        table = folder / f"{run.stem}_desc-confounds_timeseries.tsv"
        table.write_text(tsv({name: list(column) for name, column in run.confounds.items()}), "utf-8")
        _write_json(table.with_suffix(".json"), run.sidecar)
        (folder / f"{run.stem}_events.tsv").write_text(self._events(run.heard.story), "utf-8")

    def _events(self, story: Story) -> str:
        """Words at their times in the scan."""
        length = np.round(story.ends - story.onsets, 3)
        return tsv({"onset": list(story.onsets + self.start), "duration": list(length), "word": story.words})


def _intervals(story: Story) -> list[Interval]:
    return [
        (float(start), float(end), word) for start, end, word in zip(story.onsets, story.ends, story.words, strict=True)
    ]


def _letters(words: Sequence[Interval]) -> list[Interval]:
    """For phones: the letters of each word, of equal length."""
    made: list[Interval] = []
    for start, end, word in words:
        times = np.linspace(start, end, len(word) + 1)
        made += [(float(a), float(b), letter.upper()) for a, b, letter in zip(times, times[1:], word, strict=False)]
    return made


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")

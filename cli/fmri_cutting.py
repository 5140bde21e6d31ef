"""Runs of responses cut into windows, by the volumes that their rows are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.word_windows import windows
from medpipe.formats.arrays import ArrayReference, is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.run_file import ScratchResponses


@dataclass(frozen=True, slots=True)
class Run:
    """Responses [time, voxels], seconds from row to row, the volume of each row, and how many the scan has."""

    record: Record
    responses: Any
    tr: float
    volumes: NDArray[np.intp]
    total: int


@dataclass(frozen=True, slots=True)
class Cutting:
    """Where windows lie.

    Args:
        tr: seconds, in place of the record's.
        start: of the words, seconds after the first volume of the scan.
        trim: volumes of the scan that bare responses lack at either end.
        lag: volumes that a response comes after its words.
        extra: volumes of responses that a window takes beyond its words.
        window: volumes with words in a window.
        hop: volumes from window to window.
    """

    tr: float | None = None
    start: float = 0.0
    trim: tuple[int, int] | None = None
    lag: int = 0
    extra: int = 0
    window: int = 10
    hop: int = 10

    def run_of(self, record: Record) -> Run:
        """The run in a record. Raises FormatError, InputError."""
        responses: Any = record.get("responses")
        if "bold" in record:
            raise InputError("not-a-run", "the input is a scan: fmri-extract makes responses of it")
        if not is_array(responses) or len(responses.shape) != 2:
            raise InputError("not-a-run", "the record has no responses [time, voxels]")
        tr = self.tr if self.tr is not None else record.get("tr")
        if not isinstance(tr, int | float) or tr <= 0:
            raise InputError("bad-tr", "the responses say no TR: give --tr SECONDS")
        return Run(record, responses, float(tr), *self._volumes(record, int(responses.shape[0])))

    def _volumes(self, record: Record, rows: int) -> tuple[NDArray[np.intp], int]:
        if not is_array(record.get("sample_mask")):
            front, back = self.trim or (0, 0)
            return front + np.arange(rows), front + rows + back
        if self.trim is not None:
            raise InputError("bad-value", "the run says itself which volumes it lacks: leave --trim out")
        mask = np.asarray(materialise(record["sample_mask"]))
        volumes = np.flatnonzero(mask)
        if len(volumes) != rows:
            raise FormatError("bad-array", f"sample_mask keeps {len(volumes)} volumes, the responses have {rows} rows")
        return volumes, mask.size

    def starts(self, run: Run) -> NDArray[np.float64]:
        """When each row begins, seconds of the words' time."""
        return ((run.volumes - self.lag) * run.tr - self.start).astype(np.float64)

    def windows(
        self, run: Run, story: str, texts: Sequence[str] | None = None, said: Mapping[str, Any] | None = None
    ) -> Iterator[Record]:
        """The windows of a run. InputError where it holds none.

        Args:
            run: that.
            story: what was heard in it.
            texts: of each row; None where nobody knows.
            said: of the texts, for the records.
        """
        record, starts = run.record, self.starts(run)
        rows, missing = windows(run.volumes, self.window, self.hop, self.extra)
        light = {key: value for key, value in record.items() if not is_array(value) and key not in ("id", "via")}
        aligned = {"start": self.start, "lag_tr": self.lag, "hop": self.hop, **(said or {}), "gaps": missing}
        if not rows:
            raise InputError("too-short", f"{len(run.volumes)} volumes hold no window of {self.window + self.extra}")
        for number, row in enumerate(rows):
            stop = row + self.window
            t0, t1 = round(float(starts[row]), 6), round(float(starts[stop - 1]) + run.tr, 6)
            made = {
                "id": f"{record['id']}@{t0:g}-{t1:g}", "parent": record["id"], **light, "tr": run.tr, "story": story,
                "i": number, "t0": t0, "t1": t1, **({} if texts is None else _told(texts[row:stop])),
                "alignment": aligned, "responses": _part(run.responses, row, stop + self.extra),
            }  # fmt: skip
            if "via" in record:
                made["via"] = record["via"]
            yield made


def story_names(ident: str) -> tuple[str, str]:
    """What a run's story may be called: the name of its file, and its task where that says one."""
    stem = Path(ident).name
    return stem, next((part[5:] for part in stem.split("_") if part.startswith("task-")), stem)


def _told(part: Sequence[str]) -> Record:
    return {"text": " ".join(filter(None, part)), "tr_texts": list(part)}


def _part(responses: Any, first: int, stop: int) -> Any:
    """Rows of responses, those of an HDF5 file not read yet."""
    if isinstance(responses, ArrayReference):
        begin = responses.rows[0] if responses.rows is not None else 0
        return replace(responses, rows=(begin + first, begin + stop), shape=(stop - first, *responses.shape[1:]))
    if isinstance(responses, ScratchResponses):
        return responses.part(first, stop)
    return materialise(responses)[first:stop]

"""One run and its words to windows: checked for length, then cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.fmri.word_windows import excess, row_texts, spoken, windows
from medpipe.formats.arrays import ArrayReference, is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.transcript import SUFFIXES, Transcript, read_transcript

# Volumes: a scan does not end before the words, but for rounding, and goes on for a while after them.
_EARLY, _LATE = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Alignment:
    """How words and responses lie to each other.

    Args:
        words: a transcript, or a folder of transcripts with the stories' names.
        tier: of TextGrids.
        tr: seconds, in place of the record's.
        start: of the words, seconds after the first volume of the scan.
        trim: volumes of the scan that bare responses lack at either end.
        lag: volumes that a response comes after its words.
        extra: volumes of responses that a window takes beyond its words.
        window: volumes with words in a window.
        hop: volumes from window to window.
        word_time: `middle` or `onset`, which decides in what volume a word was heard.
        slack: volumes that scan and words may differ by; None for half of one too few, 15 too many.
    """

    words: str
    tier: str | None = None
    tr: float | None = None
    start: float = 0.0
    trim: tuple[int, int] | None = None
    lag: int = 0
    extra: int = 0
    window: int = 10
    hop: int = 10
    word_time: str = "middle"
    slack: float | None = None

    def __call__(self, record: Record) -> Iterator[Record]:
        """The windows of a record of responses. Raises FormatError, InputError."""
        responses: Any = record.get("responses")
        if not is_array(responses) or len(responses.shape) != 2:
            raise InputError("not-a-run", "the record has no responses [time, voxels]")
        tr = self.tr if self.tr is not None else record.get("tr")
        if not isinstance(tr, int | float) or tr <= 0:
            raise InputError("bad-tr", "the responses say no TR: give --tr SECONDS")
        path = self._transcript(record["id"])
        transcript, story = read_transcript(str(path), self.tier), path.name.split(".")[0]
        volumes, total = self._volumes(record, int(responses.shape[0]))
        self._check_length(total, float(tr), transcript, story)
        yield from self._cut(record, responses, transcript, story, volumes, float(tr))

    def _transcript(self, ident: str) -> Path:
        path = Path(self.words)
        if not path.is_dir():
            return path
        stem = Path(ident).name
        task = next((part[5:] for part in stem.split("_") if part.startswith("task-")), stem)
        tried = [path / f"{name}{suffix}" for name in (stem, task) for suffix in SUFFIXES]
        found = next((one for one in tried if one.exists() or one.is_symlink()), None)
        if found is None:
            raise FormatError(
                "missing-file", f"no transcript of {stem} in {self.words} (looked for {tried[0].name}, ...)"
            )
        return found

    def _volumes(self, record: Record, rows: int) -> tuple[NDArray[np.intp], int]:
        """The volume of each row, and how many the scan has."""
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

    def _check_length(self, total: int, tr: float, transcript: Transcript, story: str) -> None:
        off = excess(total, tr, self.start, transcript.end)
        early, late = (_EARLY, _LATE) if self.slack is None else (self.slack, self.slack)
        if -early <= off <= late:
            return
        far = f"{abs(off):.1f} TR ({abs(off) * tr:.1f} s)"
        sides = f"{total} volumes, {transcript.end:g} s of words from {self.start:g} s on"
        hint = "--start, --trim or the file is wrong, or --slack allows it"
        which = f"the scan ends {far} before the words" if off < 0 else f"the words end {far} before the scan"
        raise FormatError("length-mismatch", f"{which} of {story} ({sides}): {hint}")

    def _cut(
        self, record: Record, responses: Any, transcript: Transcript, story: str, volumes: NDArray[np.intp], tr: float
    ) -> Iterator[Record]:
        times = [
            word.onset if self.word_time == "onset" else (word.onset + word.offset) / 2 for word in transcript.words
        ]
        starts = ((volumes - self.lag) * tr - self.start).astype(np.float64)
        texts = row_texts([spoken(word.text) for word in transcript.words], times, starts, tr)
        rows, missing = windows(volumes, self.window, self.hop, self.extra)
        light = {key: value for key, value in record.items() if not is_array(value) and key not in ("id", "via")}
        said = {"start": self.start, "lag_tr": self.lag, "word_time": self.word_time, "gaps": missing}
        if not rows:
            raise InputError("too-short", f"{len(volumes)} volumes hold no window of {self.window + self.extra}")
        for number, row in enumerate(rows):
            stop = row + self.window
            t0, t1 = round(float(starts[row]), 6), round(float(starts[stop - 1]) + tr, 6)
            part = texts[row:stop]
            made = {
                "id": f"{record['id']}@{t0:g}-{t1:g}", "parent": record["id"], **light, "tr": tr, "story": story,
                "i": number, "t0": t0, "t1": t1, "text": " ".join(filter(None, part)), "tr_texts": part,
                "alignment": said, "responses": _part(responses, row, stop + self.extra),
            }  # fmt: skip
            if "via" in record:
                made["via"] = record["via"]
            yield made


def _part(responses: Any, first: int, stop: int) -> Any:
    """Rows of responses, those of a file not read yet."""
    if isinstance(responses, ArrayReference):
        begin = responses.rows[0] if responses.rows is not None else 0
        return replace(responses, rows=(begin + first, begin + stop), shape=(stop - first, *responses.shape[1:]))
    return materialise(responses)[first:stop]

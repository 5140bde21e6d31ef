"""One run and its words to windows: checked for length, then cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medpipe.cli.fmri_cutting import Cutting, Run, story_names
from medpipe.core.errors import InputError
from medpipe.core.fmri.word_windows import excess, row_texts, spoken
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
        cutting: where windows lie.
        tier: of TextGrids.
        word_time: `middle` or `onset`, which decides in what volume a word was heard.
        slack: volumes that scan and words may differ by; None for half of one too few, 15 too many.
    """

    words: str
    cutting: Cutting
    tier: str | None = None
    word_time: str = "middle"
    slack: float | None = None

    def __call__(self, record: Record) -> Iterator[Record]:
        """The windows of a record of responses. Raises FormatError, InputError."""
        run = self.cutting.run_of(record)
        path = self._transcript(record["id"])
        transcript, story = read_transcript(str(path), self.tier), path.name.split(".")[0]
        self._check_length(run, transcript, story)
        texts = row_texts(
            [spoken(word.text) for word in transcript.words], self._times(transcript), self.cutting.starts(run), run.tr
        )
        if not any(texts):
            lag = f"{self.cutting.lag} volumes"
            raise InputError(
                "no-words", f"no word of {story} meets a volume, with --start {self.cutting.start:g} and a lag of {lag}"
            )
        yield from self.cutting.windows(run, story, texts, {"word_time": self.word_time})

    def _transcript(self, ident: str) -> Path:
        path = Path(self.words)
        if not path.is_dir():
            return path
        names = story_names(ident)
        tried = [path / f"{name}{suffix}" for name in names for suffix in SUFFIXES]
        found = next((one for one in tried if one.exists() or one.is_symlink()), None)
        if found is None:
            raise FormatError(
                "missing-file", f"no transcript of {names[0]} in {self.words} (looked for {tried[0].name}, ...)"
            )
        return found

    def _times(self, transcript: Transcript) -> list[float]:
        onset = self.word_time == "onset"
        return [word.onset if onset else (word.onset + word.offset) / 2 for word in transcript.words]

    def _check_length(self, run: Run, transcript: Transcript, story: str) -> None:
        start, tr = self.cutting.start, run.tr
        off = excess(run.total, tr, start, transcript.end)
        early, late = (_EARLY, _LATE) if self.slack is None else (self.slack, self.slack)
        if -early <= off <= late:
            return
        far = f"{abs(off):.1f} TR ({abs(off) * tr:.1f} s)"
        sides = f"{run.total} volumes, {transcript.end:g} s of words from {start:g} s on"
        hint = "--start, --trim or the file is wrong, or --slack allows it"
        which = f"the scan ends {far} before the words" if off < 0 else f"the words end {far} before the scan"
        raise FormatError("length-mismatch", f"{which} of {story} ({sides}): {hint}")

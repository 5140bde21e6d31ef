"""Between records and a BP-GPT model: windows in, what it writes for each out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, USAGE, Fatal
from medpipe.cli.fmri_scan_windows import ScanWindows
from medpipe.cli.fmri_side_inputs import SideInputs
from medpipe.cli.fmri_window_check import check_kind, check_unseen, generator_of, leak_of, texts_of
from medpipe.cli.process import EXPECTED, Failed, Outcome, bare
from medpipe.core.errors import InputError, ModelError
from medpipe.core.fmri.bpgpt_folder import BpGpt, open_bpgpt
from medpipe.core.fmri.heard_text import by_volume
from medpipe.core.fmri.prompt_decoding import DecodeOptions, Written, write
from medpipe.core.fmri.text_prompt import TextEncoder
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.jsonl import Record

TOGETHER: Final = 16


@dataclass(slots=True)
class FmriDecoding:
    """A model with the options of the run; `bert` where it is of the text stage."""

    model: BpGpt
    options: DecodeOptions
    null: str | None
    seed: int
    seen: bool
    together: int
    facts: dict[str, Any]
    bert: TextEncoder | None = None
    scans: ScanWindows | None = None

    @classmethod
    def open(cls, settings: dict[str, Any], device: str, together: int | None) -> FmriDecoding:
        """With the model that `settings` name; Fatal 69 when it is not to be had, 65 when it does not fit."""
        try:
            model = open_bpgpt(settings["model"], device)
            text, null = model.said["stage"] == "text", settings["null"]
            if text and null == "noise":
                raise Fatal(USAGE, "--null-input noise stands for responses, and the text stage reads none")
            most = settings["tokens"] or model.settings.tokens
            model.lm.check_room(model.settings.length, most)
            bert = model.bert() if text and null is None else None
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
        if bert is not None:
            bert.model.to(next(model.prompt.parameters()).device)
        options = DecodeOptions(most, model.settings.stop, settings["temperature"], settings["top_p"])
        facts = {**model.facts, "prompt": null or model.said["stage"], "tokens": most}
        if options.temperature:
            facts |= {"temperature": options.temperature, "top_p": options.top_p, "seed": settings["seed"]}
        return cls(model, options, null, settings["seed"], settings["seen"], together or TOGETHER, facts, bert)

    def take_scans(self, command: str, side: SideInputs, tr: float | None, start: float | None, *, quiet: bool) -> None:
        """Let scans and runs be decoded, too, by a model of the brain stage. Fatal 65 as `ScanWindows.of`."""
        model = self.model
        if model.said["stage"] == "brain":
            self.scans = ScanWindows.of(model.said, model.stories, command, side, tr, start, quiet=quiet)

    @property
    def label(self) -> str:
        """For `via`."""
        return f"{self.facts['name']}@{self.facts['sha256']}"

    def transform(self, records: Sequence[Record]) -> Iterable[Outcome]:
        """Records with what was written for them; scans and runs become windows."""
        for runs, group in groupby(records, self._is_run):
            if runs:
                yield from map(self._windows, group)
                continue
            for some in _groups(group, self.together):
                yield from self._some(some)

    def _is_run(self, record: Record) -> bool:
        return "bold" in record if self.scans is None else self.scans.is_run(record)

    def _windows(self, record: Record) -> Iterator[Record | Failed]:
        """Of a scan or a run, one group of windows after another."""
        if self.scans is None:
            raise InputError("not-a-window", "the text stage of a model reads words, and a scan has none")
        for some in _groups(self.scans(record), self.together):
            for window, outcome in zip(some, self._some(some), strict=True):
                if isinstance(outcome, Exception):
                    yield Failed(window, outcome)
                else:
                    yield from outcome

    def _some(self, records: Sequence[Record]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        prompts: list[Any] = []
        for record in records:
            try:
                self._check(record)
                prompts.append(self._given(record))
                outcomes.append([record])
            except EXPECTED as error:
                outcomes.append(bare(error))
        good = [records[place] for place, outcome in enumerate(outcomes) if isinstance(outcome, list)]
        written = iter(self._written(good, prompts) if good else [])
        return [
            [self._told(record, next(written))] if isinstance(outcome, list) else outcome
            for record, outcome in zip(records, outcomes, strict=True)
        ]

    def _check(self, record: Record) -> None:
        """Raises InputError for a record that is no window, or none for this model."""
        # A scan of which nobody knows the words is a window by its responses.
        if texts_of(record) is None and (self.bert is not None or not is_array(record.get("responses"))):
            raise InputError(
                "not-a-window", "the record is no window of fmri-align: it has no tr_texts and no responses"
            )
        if self.model.said["stage"] == "brain":
            check_kind(record, self.model.said)
        if not self.seen:
            check_unseen(record, self.model.stories)

    def _given(self, record: Record) -> Any:
        """What the prompt of a record is made from. Raises InputError, FormatError."""
        if self.null == "prompt-free":
            return None
        if self.bert is not None:
            return " ".join(filter(None, texts_of(record) or []))
        shape = tuple(self.model.said["shape"])
        responses: Any = record.get("responses")
        if not is_array(responses) or len(responses.shape) != 2:
            raise InputError("no-responses", "the window has no responses [time, voxels]")
        if tuple(responses.shape) != shape:
            raise InputError("wrong-shape", f"responses {list(responses.shape)}, the model reads {list(shape)}")
        if self.null == "noise" and self.model.noise is not None:
            return self.model.noise.draw(shape[0], self._rng(record, "noise"))
        values = np.asarray(materialise(responses), np.float32)
        if not np.isfinite(values).all():
            raise InputError("not-finite", "the responses are not finite; fmri-extract puts zeros in the place of such")
        return values

    def _rng(self, record: Record, use: str) -> np.random.Generator:
        return generator_of(self.seed, use, record["id"])

    def _written(self, records: list[Record], given: list[Any]) -> list[Written]:
        """All together, in a batch of one size, so that nothing depends on neighbours."""
        draws: list[NDArray[np.float64]] | None = None
        if self.options.temperature:
            draws = [self._rng(record, "tokens").random(self.options.tokens) for record in records]
        usual = self.model.said.get("volumes", 0)
        volumes = [len(texts_of(record) or []) or usual for record in records]
        return write(self.model.lm, self._prompts(given), volumes, self.options, draws)

    @torch.inference_mode()
    def _prompts(self, given: list[Any]) -> Tensor:
        """[together, length, width]; of none the vectors of the sign that every text begins with."""
        model, fill = self.model, self.together - len(given)
        device = next(model.prompt.parameters()).device
        if self.null == "prompt-free":
            begin = torch.tensor([model.lm.texts.begin] * self.together, device=device)
            return model.lm.embed(begin)
        # Texts one by one: padding would let each see how long its neighbours are.
        bert = self.bert
        rows = bert.vectors(given, together=1) if bert is not None else torch.from_numpy(np.stack(given))
        made: Tensor = model.prompt(torch.cat([rows, rows.new_zeros(fill, *rows.shape[1:])]).to(device))
        return made

    def _told(self, record: Record, written: Written) -> Record:
        """The record with what was written in the place of what was heard."""
        text = self.model.lm.texts.text(written.ids)
        parts = by_volume(text)
        out = {key: value for key, value in record.items() if key not in ("responses", "text", "tr_texts")}
        out |= {"text": " ".join(filter(None, parts)), "tr_texts": parts,
                "token_logprobs": [round(log, 5) for log in written.logs], "n_tokens": len(written.ids),
                "ended": written.ended, "decoder": self.facts}  # fmt: skip
        return out | ({"seen": True} if self.seen and leak_of(record, self.model.stories) else {})


def _groups(records: Iterable[Record], count: int) -> Iterator[list[Record]]:
    """So many at a time, none read ahead."""
    rest = iter(records)
    while some := list(islice(rest, count)):
        yield some

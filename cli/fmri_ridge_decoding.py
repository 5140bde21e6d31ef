"""Between windows and the decoder of Tang et al. 2023: a run in, the words of each of its windows out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, Fatal
from medpipe.cli.fmri_window_check import check_kind, check_unseen, generator_of, leak_of, texts_of
from medpipe.cli.process import EXPECTED, Outcome, bare
from medpipe.cli.train_options import overridden
from medpipe.core.errors import InputError, ModelError
from medpipe.core.fmri.bpgpt_folder import MODEL, description
from medpipe.core.fmri.next_words import NextWords
from medpipe.core.fmri.response_likelihood import GrowingTexts
from medpipe.core.fmri.run_layout import RunLayout, standardised
from medpipe.core.fmri.tang_beam import Beam
from medpipe.core.fmri.tang_folder import RIDGE, TangDecoder
from medpipe.core.fmri.tang_settings import TANG, beam_settings
from medpipe.core.fmri.word_placement import even_times, on_volumes, reach
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.jsonl import Record


def is_ridge(model: str) -> bool:
    """Whether a folder holds a model of --stage ridge; Fatal 65 where its description cannot be read."""
    path = Path(model) / MODEL
    try:
        return path.is_file() and description(path).get("stage") == RIDGE
    except ModelError as error:
        raise Fatal(BAD_STREAM, str(error)) from None


@dataclass(slots=True)
class RidgeDecoding:
    """A model with the options of the run."""

    model: TangDecoder
    beam: Beam
    null: str | None
    seed: int
    seen: bool
    facts: dict[str, Any]

    @staticmethod
    def settings(changes: list[str], null: str | None) -> dict[str, Any]:
        """Of the search, with the user's changes; BadParameter for what there is not."""
        if null == "prompt-free":
            raise typer.BadParameter(
                "--null-input prompt-free: linear models have no prompt; there is random-likelihood"
            )
        made = overridden(beam_settings, TANG, changes)
        if not made.beam or not made.extensions or not 0 < made.nucleus <= 1 or made.ratio > 1:
            raise typer.BadParameter("beam and extensions are more than 0, nucleus and ratio are shares")
        return made.facts()

    @classmethod
    def open(cls, settings: dict[str, Any], device: str) -> RidgeDecoding:
        """With the model that `settings` name; Fatal 69 when it is not to be had, 65 when it does not fit."""
        try:
            model = TangDecoder.open(settings["model"], device)
            search = beam_settings().override(settings["beam"])
            words = NextWords.of(model.words, model.lm.tokens, search.nucleus, search.ratio)
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
        beam = Beam(model.lm, words, search, model.settings.placement, model.said["tr"])
        facts = {**model.facts, "prompt": settings["null"] or RIDGE, "beam": search.beam,
                 "extensions": search.extensions}  # fmt: skip
        if settings["null"]:
            facts["seed"] = settings["seed"]
        return cls(model, beam, settings["null"], settings["seed"], settings["seen"], facts)

    @property
    def label(self) -> str:
        """For `via`."""
        return f"{self.facts['name']}@{self.facts['sha256']}"

    def transform(self, records: Sequence[Record]) -> Iterable[Outcome]:
        """Records with the words that were found, run by run."""
        for name, windows in groupby(records, key=_run_of):
            yield from self._run(name, list(windows))

    def _run(self, name: str, records: list[Record]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        good: list[tuple[Record, NDArray[np.float32]]] = []
        known: set[str] = set()
        for record in records:
            try:
                good.append((record, self._responses(record, known)))
                outcomes.append([record])
            except EXPECTED as error:
                outcomes.append(bare(error))
        try:
            told = iter(self._told(name, good) if good else [])
        except EXPECTED as error:
            return [bare(error) if isinstance(outcome, list) else outcome for outcome in outcomes]
        return [[next(told)] if isinstance(outcome, list) else outcome for outcome in outcomes]

    def _responses(self, record: Record, known: set[str]) -> NDArray[np.float32]:
        """Of the chosen voxels, [volumes, voxels]. Raises InputError, FormatError for a window that is none."""
        if record["id"] in known:
            raise InputError("duplicate-id", f"the id {record['id']} came before in this run")
        known.add(record["id"])
        responses: Any = record.get("responses")
        if not is_array(responses) or len(responses.shape) != 2:
            raise InputError("no-responses", "the record has no responses [time, voxels]: it is no window")
        # A whole run of fmri-extract has responses too, and does not say what was heard in it.
        if "story" not in record or "t0" not in record:
            raise InputError("not-a-window", "the record has no story and no t0: fmri-align cuts runs into windows")
        check_kind(record, self.model.said)
        if not self.seen:
            check_unseen(record, self.model.stories)
        if responses.shape[1:] != tuple(self.model.said["shape"]):
            raise InputError(
                "wrong-shape",
                f"responses of {responses.shape[1]} voxels, the model reads {self.model.said['shape'][0]}",
            )
        if not isinstance(record.get("t0", 0), int | float):
            raise InputError("bad-time", "the window does not say when it begins")
        volumes = len(texts_of(record) or []) or responses.shape[0]
        values = np.asarray(materialise(responses), np.float32)[:volumes, self.model.voxels]
        if len(values) < volumes or not volumes:
            raise InputError("no-responses", f"{len(values)} volumes of responses for {volumes} of words")
        if not np.isfinite(values).all():
            raise InputError("not-finite", "the responses are not finite; fmri-extract puts zeros in the place of such")
        return values

    def _told(self, name: str, windows: list[tuple[Record, NDArray[np.float32]]]) -> list[Record]:
        """All windows of a run with their words."""
        values = [rows for _, rows in windows]
        times = [float(record.get("t0", 0)) for record, _ in windows]
        layout = RunLayout.of(times, [len(rows) for rows in values], self.model.said["tr"])
        run = layout.joined(values)
        if self.null == "noise":
            run = self.model.noise.draw(len(run), generator_of(self.seed, "noise", name))
        run = standardised(run)
        texts: list[str] = []
        ratios: list[float] = []
        for place, stretch in enumerate(layout.stretches()):
            words, found = self._search(run[stretch], generator_of(self.seed, f"likelihood {place}", name))
            texts += words
            ratios += found
        made = []
        for (record, rows), first in zip(windows, layout.rows, strict=True):
            part = slice(int(first), int(first) + len(rows))
            out = {key: value for key, value in record.items() if key not in ("responses", "text", "tr_texts")}
            out |= {"text": " ".join(filter(None, texts[part])), "tr_texts": texts[part],
                    "log_likelihood": round(sum(ratios[part]), 4), "decoder": self.facts}  # fmt: skip
            made.append(out | ({"seen": True} if self.seen and leak_of(record, self.model.stories) else {}))
        return made

    def _search(self, run: NDArray[np.float32], chance: np.random.Generator) -> tuple[list[str], list[float]]:
        """The words of each volume of a stretch, and the log-likelihood of its responses, over that of no word."""
        model, placement = self.model, self.model.settings.placement
        counts = model.rate.counts(run)
        projected = model.likelihood.project(run)
        growing = GrowingTexts(model.likelihood, projected, reach(placement))
        told, vectors = self.beam.search(counts, growing, chance if self.null == "random-likelihood" else None)
        features = on_volumes(vectors, even_times(counts), len(run), placement)
        ratios = model.likelihood.log_ratios(projected, features)
        ratios -= model.likelihood.log_ratios(projected, np.zeros_like(features))
        ends = np.cumsum(counts)
        return [" ".join(told[end - count : end]) for end, count in zip(ends, counts, strict=True)], ratios.tolist()


def _run_of(record: Record) -> str:
    return str(record.get("parent", record.get("story", record["id"])))

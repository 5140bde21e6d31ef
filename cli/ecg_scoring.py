"""Scores of text queries for ECG records, from their embeddings or from the recordings themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.ecg_attention import attention_of, token_windows
from medpipe.cli.ecg_encoding import Encoding
from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, Fatal
from medpipe.cli.process import EXPECTED, Failed, Outcome, bare
from medpipe.core.ecg.encoder import Encoder, Looking, Scorer, describe, label
from medpipe.core.errors import ModelError
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

_EMBEDDED = ("embedding", "tokens", "token_layout")


@dataclass(slots=True)
class Scoring:
    """Queries with the encoders and scorers that the records turn out to need."""

    command: str
    queries: dict[str, str]
    settings: dict[str, Any]
    device: str
    batch_size: int
    _encoding: Encoding | None = None
    _scorers: dict[tuple[str, str], tuple[Encoder, Scorer] | FormatError] = field(default_factory=dict)

    def transform(self, records: Sequence[Record]) -> Iterable[Outcome]:
        """Records with their scores."""
        if self.settings["segment"] is not None:
            for record in records:
                yield self._scored(
                    [_usable(record, self.settings)] if "embedding" in record else self._segments(record)
                )
            return
        recordings = [record for record in records if "embedding" not in record]
        encoded = iter(self.own().transform(recordings)) if recordings else iter(())
        for record in records:
            outcome = [_usable(record, self.settings)] if "embedding" in record else next(encoded)
            yield outcome if isinstance(outcome, Exception) else list(self._scored(outcome))

    def label(self, record: Record | None) -> str:
        """The model that scored a record, as `via` names it; of None that of the options, if they name one."""
        if record is None:
            return label(self.own().encoder) if self._chosen() else ""
        made_by = record["scorer"]
        found = self._scorers[made_by["sha256"], made_by["space"]]
        return "" if isinstance(found, Exception) else label(found[0])

    def _segments(self, record: Record) -> Iterator[Record | Failed]:
        for outcome in self.own().transform([record]):
            if isinstance(outcome, Exception):
                raise outcome
            yield from outcome

    def _scored(self, records: Iterable[Record | Failed]) -> Iterator[Record | Failed]:
        for record in records:
            if isinstance(record, Failed):
                yield record
                continue
            try:
                yield self._score(record)
            except EXPECTED as error:
                yield Failed(record, bare(error))

    def own(self) -> Encoding:
        """The model of the options, opened when it is first asked for."""
        if self._encoding is None:
            made = Encoding.open(self.command, self.settings, self.device, self.batch_size)
            if getattr(made.encoder, "decodes", False):
                made.settings = {**self.settings, "tokens": True}
            self._encoding = made
        return self._encoding

    def _score(self, record: Record) -> Record:
        encoder, scorer = self._scorer(record.get("encoder"))
        windows = record.get("windows")
        several = isinstance(windows, dict) and windows.get("count", 1) != 1
        pooling = str(windows["pooling"]) if several and isinstance(windows, dict) and "pooling" in windows else None
        looked: Record = {}
        if isinstance(scorer, Looking):
            values, attention = scorer.look(token_windows(record, scorer.name))
            if self.settings["attn"]:
                looked = attention_of(record, attention, list(self.queries))
        elif self.settings["attn"]:
            raise FormatError("no-decoder", f"{scorer.name} has no query decoder, and so no attention")
        else:
            values = scorer.score(_embedding(record, encoder), pooling)
        scores = {name: round(float(value), 6) for name, value in zip(self.queries, values, strict=True)}
        if self.settings["top"] is not None:
            best = sorted(scores, key=scores.__getitem__, reverse=True)[: self.settings["top"]]
            scores = {name: scores[name] for name in best}
        kept = self.settings["keep_arrays"]
        out = {key: value for key, value in record.items() if kept or key not in _EMBEDDED}
        said: dict[str, Any] = {"name": scorer.name, "sha256": encoder.sha256, "space": encoder.space}
        if not encoder.trained:
            said["trained"] = False
        if getattr(scorer, "together", False):
            # As in KAD, queries attend to each other: another list of classes gives other scores.
            said["depends_on_queries"] = True
        return {**out, "scores": scores, "score_kind": scorer.kind, "scorer": said, **looked}

    def _scorer(self, made_by: Any) -> tuple[Encoder, Scorer]:
        """The model that an embedding came from, ready for the queries."""
        if not isinstance(made_by, dict) or not isinstance(made_by.get("space"), str):
            raise FormatError("no-encoder", "the embedding does not say which encoder made it")
        key = (str(made_by.get("sha256")), made_by["space"])
        if key not in self._scorers:
            try:
                self._scorers[key] = self._open(made_by)
            except FormatError as error:
                self._scorers[key] = bare(error)
        found = self._scorers[key]
        if isinstance(found, Exception):
            raise FormatError(found.kind, str(found))
        return found

    def _open(self, made_by: dict[str, Any]) -> tuple[Encoder, Scorer]:
        from medpipe.core.ecg.encoders import open_named

        own = self._chosen() or self._matches(made_by)
        try:
            encoder = self.own().encoder if own else open_named(made_by)
            if (encoder.space, encoder.sha256) != (made_by["space"], made_by.get("sha256")):
                raise FormatError(
                    "other-space",
                    f"the embedding is in the space {made_by['space']} of {_named(made_by)},"
                    f" the model {_named(describe(encoder))} scores in {encoder.space}",
                )
            if not encoder.trained and not own:
                print(f"{self.command}: {encoder.name} is untrained: its scores mean nothing", file=sys.stderr)
            return encoder, encoder.scorer(list(self.queries.values()))
        except ModelError as error:
            if own:
                raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
            # Only this record's model is not to be had: those of the others may be.
            raise FormatError("no-model" if error.unavailable else "other-space", str(error)) from None

    def _chosen(self) -> bool:
        return self.settings["model"]["model"] is not None or self.settings["model"]["arch"] is not None

    def _matches(self, made_by: dict[str, Any]) -> bool:
        own = self._encoding
        return own is not None and own.encoder.sha256 == made_by.get("sha256")


def _usable(record: Record, settings: dict[str, Any]) -> Record | Failed:
    """The record, unless the options ask for what can only be done to a recording."""
    given = {
        "--leads": settings["leads"],
        "--segment": settings["segment"],
        "--missing": settings["missing"] != "error",
    }
    asked = [option for option, value in given.items() if value]
    made_by = record.get("encoder")
    preset = settings["model"]["preset"]
    if asked:
        error = FormatError("encoded-already", f"{', '.join(asked)} cannot change an embedding; give it to ecg-encode")
        return Failed(record, error)
    if preset is not None and isinstance(made_by, dict) and made_by.get("preset") != preset:
        error = FormatError(
            "other-preset", f"the embedding was made with the preset {made_by.get('preset')}, not {preset}"
        )
        return Failed(record, error)
    return record


def _named(encoder: dict[str, Any]) -> str:
    return f"{encoder.get('name')} ({str(encoder.get('sha256'))[:12]})"


def _embedding(record: Record, encoder: Encoder) -> NDArray[np.float32]:
    value = record["embedding"]
    if not is_array(value) or tuple(value.shape) != (encoder.dim,):
        raise FormatError("bad-array", f"embedding is not an array of {encoder.dim} numbers")
    embedding = materialise(value).astype(np.float32)
    if not np.isfinite(embedding).all():
        raise FormatError("not-finite", "the embedding holds NaN or infinite values")
    return embedding

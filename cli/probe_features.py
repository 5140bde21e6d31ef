"""What a probe learns from: of each recording the embedding, those of untrained encoders, and its spectra."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.ecg_encoding import Encoding
from medpipe.cli.exits import BAD_STREAM, GOOD, SOME_FAILED, UNAVAILABLE, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items, places
from medpipe.cli.load import load
from medpipe.cli.options import RunOptions
from medpipe.cli.process import Failed, Outcome
from medpipe.cli.runner import Job, run_job
from medpipe.core.ecg.encoder import Encoder, label
from medpipe.core.ecg.spectral_ridge import spectral_encoder, with_gaps
from medpipe.core.ecg.untrained_twin import twin_seeds, untrained_twin
from medpipe.core.errors import ModelError
from medpipe.formats.arrays import materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ProbeFeatures:
    """Of n recordings: `model` [n, d], `random` [n, seeds, d'], `spectra` [n, 1026] with NaN where a lead is absent.

    `encoders` names the model and the random ones; `via` is what the encoding says of itself. `others` recordings
    are not among those that were wanted.
    """

    ids: list[str]
    model: Array
    random: Array
    spectra: Array
    encoders: dict[str, str]
    via: str
    others: int


@dataclass(slots=True)
class Features:
    """The encoders side by side: the given one, its untrained twins, spectra."""

    model: Encoding
    twins: list[Encoding]
    spectra: Encoding

    @classmethod
    def open(cls, command: str, settings: dict[str, Any], device: str, batch_size: int, seeds: int) -> Features:
        """Fatal 69 when the model is not to be had, 65 when it has no untrained twin."""
        model = Encoding.open(command, settings, device, batch_size)

        def beside(encoder: Encoder) -> Encoding:
            return Encoding(encoder, settings, batch_size)

        try:
            chosen = twin_seeds(model.encoder, seeds)
            twins = [untrained_twin(model.encoder, seed, device=device, batch_size=batch_size) for seed in chosen]
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
        return cls(model, [beside(twin) for twin in twins], beside(spectral_encoder()))

    def transform(self, records: Sequence[Record]) -> Iterable[Outcome]:
        """Records with all features; one that any encoder refuses is refused, so that all see the same."""
        sides = [self.model, *self.twins, self.spectra]
        for outcomes in zip(*(side.transform(records) for side in sides), strict=True):
            made = [one for outcome in outcomes for one in _whole(outcome)]
            failed = next((one for one in made if isinstance(one, Failed)), None)
            yield [failed] if failed is not None else [self._joined([one for one in made if isinstance(one, dict)])]

    def _joined(self, made: list[Record]) -> Record:
        own, *twins, spectra = made
        drawn = np.stack([twin["embedding"] for twin in twins])
        names = [twin.encoder.name for twin in self.twins]
        return {**own, "random": drawn, "random_encoders": names, "spectra": spectra["embedding"]}


def _whole(outcome: Outcome) -> Iterable[Record | Failed]:
    return [Failed(None, outcome)] if isinstance(outcome, Exception) else outcome


def make_features(
    command: str, run: RunOptions, settings: dict[str, Any], size: int, seeds: int, wanted: Mapping[str, object]
) -> tuple[int, ProbeFeatures | None]:
    """The exit code of encoding, and the features of those of the inputs that are `wanted`; None if it was stopped.

    They go through `run.output`, which is kept for other truths, or through a file that is not.
    """
    if run.output == "-":
        with tempfile.TemporaryDirectory(prefix="medpipe-") as folder:
            unkept = replace(run, output=str(Path(folder) / "features.jsonl"))
            code, found = _made(command, unkept, settings, size, seeds, wanted)
        if found is None:
            print(f"{command}: nothing is kept; with --features FILE the same command goes on", file=sys.stderr)
        return code, found
    try:
        return _made(command, replace(run, resume=True), settings, size, seeds, wanted)
    except Fatal as fatal:
        raise Fatal(fatal.code, fatal.message.replace("start over without --resume", "name another file")) from None


def _made(
    command: str, run: RunOptions, settings: dict[str, Any], size: int, seeds: int, wanted: Mapping[str, object]
) -> tuple[int, ProbeFeatures | None]:
    def prepare() -> Any:
        features = Features.open(command, settings, run.device, size, seeds)
        return features.transform, label(features.model.encoder)

    # Other recordings of the same names have other features.
    where = places(InputOptions(run.inputs or [], run.files_from, run.null))
    code = run_job(Job(command, run, prepare, settings | {"seeds": seeds, "recordings": where}))
    return code, _read(run.output, wanted) if code in (GOOD, SOME_FAILED) else None


def _read(path: str, wanted: Mapping[str, object]) -> ProbeFeatures:
    columns: dict[str, list[Array]] = {"embedding": [], "random": [], "spectra": []}
    ids: list[str] = []
    others: list[str] = []
    facts: Record = {}
    options = InputOptions([path])
    try:
        for item in enumerate_items(options):
            record = load(item, ReadOptions(), keep_source=False)[0]
            if "error" in record:
                continue
            if record["id"] not in wanted:
                others.append(record["id"])
                continue
            facts = facts or record
            ids.append(record["id"])
            for name, column in columns.items():
                column.append(materialise(record[name]).astype(np.float32))
    except (FormatError, KeyError) as error:
        raise Fatal(BAD_STREAM, f"{path}: holds no features of ecg-probe: {error}") from None
    finally:
        options.close()
    if not ids:
        pair = f": {others[0]!r} against {next(iter(wanted), 'nothing')!r}; see --id" if others else ""
        raise Fatal(BAD_STREAM, f"no recording that can be encoded has an id of the truth table{pair}")
    encoders = {"model": str(facts["encoder"]["name"]), "random": ", ".join(facts["random_encoders"])}
    model, random, spectra = (np.stack(column) for column in columns.values())
    return ProbeFeatures(ids, model, random, with_gaps(spectra), encoders, str(facts["via"][-1]), len(others))

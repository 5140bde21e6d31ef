"""Between records and an ECG encoder: a record's recording in, its embedding and what was done out."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, Fatal
from medpipe.cli.process import EXPECTED, Failed, Outcome, bare
from medpipe.core.ecg.encode import Encoded, Recording, encode_recordings
from medpipe.core.ecg.encoder import Encoder, describe
from medpipe.core.errors import ModelError
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.leads import canonical_lead, model_lead
from medpipe.formats.record import SIGNAL_KEYS, lead_ranges, lead_units, physical_signal
from medpipe.formats.units import millivolts

# Presets that bring all leads to one scale, which needs one unit.
_ONE_SCALE = ("merl", "kmerl")
_LONGEST_TOKENS = 3600.0


def open_model(command: str, options: dict[str, Any], device: str, batch_size: int) -> Encoder:
    """The encoder that the options name; Fatal 69 when it is not to be had, 65 when it does not fit."""
    from medpipe.core.ecg.encoders import open_encoder

    try:
        named = options | {"model": options["model"] or "default"}
        encoder: Encoder = open_encoder(**named, device=device, batch_size=batch_size)
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
    if device.startswith("cuda") and encoder.preset == "default":
        print(f"{command}: the default model runs on the CPU", file=sys.stderr)
    if not encoder.trained:
        print(f"{command}: {encoder.name} is untrained: its output means nothing", file=sys.stderr)
    return encoder


@dataclass(slots=True)
class Encoding:
    """An encoder with the options of the run."""

    encoder: Encoder
    settings: dict[str, Any]
    batch_size: int

    @classmethod
    def open(cls, command: str, settings: dict[str, Any], device: str, batch_size: int) -> Encoding:
        """With the model that `settings` names; Fatal 69 when it is not to be had."""
        return cls(open_model(command, settings["model"], device, batch_size), settings, batch_size)

    def transform(self, records: Sequence[Record]) -> Iterable[Outcome]:
        """Records with their embeddings; segments one after another where they are asked for."""
        if self.settings["segment"] is not None:
            for record in records:
                yield self._segments(record)
            return
        selected = [self._selected(record) for record in records]
        for made in self.encoded(selected):
            yield [made]

    def _selected(self, record: Record) -> Record | Failed:
        if not self.settings["leads"]:
            return record
        from medpipe.cli.ecg_select import select_leads

        try:
            return select_leads(record, self.settings["leads"])
        except EXPECTED as error:
            return Failed(record, bare(error))

    def _segments(self, record: Record) -> Iterator[Record | Failed]:
        from medpipe.cli.ecg_select import segments

        selected = self._selected(record)
        if isinstance(selected, Failed):
            yield selected
            return
        yield from self.encoded(segments(selected, self.settings["segment"], None))

    def encoded(self, records: Iterable[Record | Failed]) -> Iterator[Record | Failed]:
        """Each record with what the encoder makes of it, in order."""
        waiting: deque[Record | Failed] = deque()
        results = encode_recordings(
            self.encoder,
            self._recordings(records, waiting),
            missing=self.settings["missing"],
            tokens=self.settings["tokens"],
            batch_size=self.batch_size,
            failures=EXPECTED,
        )
        for result in results:
            record = waiting.popleft()
            if isinstance(record, Failed):
                yield record
            else:
                yield self._with(record, result) if isinstance(result, Encoded) else Failed(record, bare(result))

    def _recordings(
        self, records: Iterable[Record | Failed], waiting: deque[Record | Failed]
    ) -> Iterator[Recording | Exception]:
        for record in records:
            waiting.append(record)
            if isinstance(record, Failed):
                yield record.error
                continue
            try:
                recording = as_recording(record, self.encoder.leads)
                if self.settings["tokens"] and recording.samples > _LONGEST_TOKENS * recording.fs:
                    raise FormatError("too-long", "tokens of more than an hour would fill the memory; give --segment")
                if self.encoder.preset in _ONE_SCALE:
                    _refuse_mixed_units(recording, self.encoder)
                yield recording
            except EXPECTED as error:
                yield bare(error)

    def _with(self, record: Record, made: Encoded) -> Record:
        dropped = () if self.settings["keep_arrays"] else SIGNAL_KEYS
        out = {key: value for key, value in record.items() if key not in dropped}
        out |= {"embedding": made.embedding}
        if made.tokens is not None:
            out |= {"tokens": made.tokens, "token_layout": made.token_layout}
        out["encoder"] = describe(self.encoder)
        stand_ins = _stand_ins(record["leads"], self.encoder.leads)
        return out | described(made) | ({"leads_standing_in": stand_ins} if stand_ins else {})


def _refuse_mixed_units(recording: Recording, encoder: Encoder) -> None:
    units = {unit for lead, unit in zip(recording.leads, recording.units, strict=True) if lead in encoder.leads}
    if len(units) > 1:
        said = " and ".join(sorted(units))
        raise FormatError("mixed-units", f"leads in {said}: the preset {encoder.preset} scales all of them together")


def described(made: Encoded) -> Record:
    """What a record says of how it was encoded."""
    said: Record = {"leads_used": made.leads_used, "leads_ignored": made.leads_ignored}
    if made.leads_zeroed:
        said["leads_zeroed"] = made.leads_zeroed
    return said | {"quality": made.quality, "windows": made.windows}


def _stand_ins(names: list[str], wanted: tuple[str, ...]) -> dict[str, str]:
    """Modified limb leads of a recording that has not the leads they stand for."""
    leads = [canonical_lead(str(name)) for name in names]
    pairs = {lead: model_lead(lead) for lead in leads if lead not in wanted}
    return {lead: meant for lead, meant in pairs.items() if meant in wanted and meant not in leads}


def as_recording(record: Record, wanted: tuple[str, ...]) -> Recording:
    """The recording of an ECG record; FormatError when it is none.

    A modified limb lead stands for its namesake where the record has not that lead itself.
    """
    signal, fs, names = physical_signal(record)
    stand_ins = _stand_ins(names, wanted)
    leads = [stand_ins.get(lead, lead) for lead in map(canonical_lead, names)]
    converted = [millivolts(unit) for unit in lead_units(record)]
    ranges = lead_ranges(record)
    scale = [factor if factor is not None else 1.0 for factor, _ in converted]
    if ranges is not None:
        ranges = [(low * factor, high * factor) for (low, high), factor in zip(ranges, scale, strict=True)]
    return Recording(
        read=lambda start, stop: np.asarray(signal.read(start, stop), np.float32),
        samples=signal.shape[1],
        fs=fs,
        leads=leads,
        units=[unit for _, unit in converted],
        scale=scale,
        adc_range=ranges,
    )

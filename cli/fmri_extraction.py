"""One run of functional images to its responses: which volumes, which voxels, what is taken out, what is said."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medpipe.cli.exits import WRITE_FAILED, Fatal
from medpipe.cli.fmri_nuisance import Nuisance
from medpipe.cli.fmri_passes import Passage, Writer
from medpipe.cli.fmri_places import PlaceOptions, Places, surface_places, volume_places
from medpipe.cli.fmri_side_inputs import SideInputs
from medpipe.cli.fmri_treatment import Treatment
from medpipe.core.errors import InputError
from medpipe.core.fmri.cleaning import Cleaner, CleanOptions
from medpipe.formats.arrays import INLINE_LIMIT
from medpipe.formats.bids_derivatives import mask_of
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.run_file import ResponseArray, ResponseWriter
from medpipe.formats.series import Series, repetition_time
from medpipe.formats.volume_mask import read_mask


class Room(Protocol):
    """Where the responses of a run go, and what stands in its record for them."""

    @property
    def folder(self) -> Path:
        """Where there is room for what is made on the way."""
        ...

    def writer(self) -> ResponseWriter:
        """Takes the responses."""
        ...

    def discard(self) -> None:
        """The run came to nothing."""
        ...


class Store(Protocol):
    """Makes room for the responses of a run, by its id and their shape [time, voxels]."""

    def create(self, ident: str, shape: tuple[int, int]) -> Room:
        """See Store."""
        ...


@dataclass(slots=True)
class Extraction:
    """What is done to every run.

    Args:
        command: for messages.
        treatment: what is left out and taken out.
        side: masks and confounds.
        tr: seconds, in place of the header's.
        store: where responses go; None keeps them in memory, for a line.
        quiet: nothing is said on standard error.
        fits: is told the TR and the columns of a run before anything is read, and raises InputError to refuse it.
    """

    command: str
    treatment: Treatment
    side: SideInputs
    tr: float | None = None
    store: Store | None = None
    quiet: bool = False
    fits: Callable[[float, Places], None] | None = None

    def __call__(self, record: Record) -> Iterator[Record]:
        """The record of the responses in place of that of the run. Raises FormatError, InputError, Fatal 74."""
        series = record.get("bold")
        if not isinstance(series, Series):
            raise InputError("not-a-scan", "the record holds no run of functional images")
        clean, drop = self.treatment.clean, self.treatment.drop
        tr, teller = repetition_time(series, self.tr)
        places = self._places_of(series)
        if self.fits is not None:
            self.fits(tr, places)
        keep, confounds, facts = Nuisance(self.treatment, self.side).of(series)
        cleaning = clean != CleanOptions() or confounds is not None
        cleaner = Cleaner(clean, tr, keep, confounds) if cleaning else None
        passage = Passage(series, places, drop, keep, cleaner, self.treatment.bad)
        responses, counts = self._responses(record["id"], passage)
        if places.absent is not None:
            counts["left_out"] = int(places.absent.sum())
        said = [self._columns_said(counts, places, cleaned=cleaning), _volumes_said(facts["volumes"], passage.blank)]
        for one in filter(None, said):
            self._say(record["id"], one)
        made: Record = {key: value for key, value in record.items() if key != "bold"}
        mask = np.concatenate([np.zeros(drop, bool), keep]).astype("u1")
        if teller == "sidecar":
            made["tr_from"] = teller
        made |= {"tr": tr, "start": round(drop * tr, 9), **places.facts, **facts, "cleaning": self.treatment.said()}
        quality = counts | ({"blank_volumes": passage.blank} if passage.blank else {})
        yield made | {"quality": quality, "responses": responses, **places.arrays, "sample_mask": mask}

    def _places_of(self, series: Series) -> Places:
        side = self.side
        options = PlaceOptions(side.mask, side.atlas, self.treatment.fwhm)
        if not series.is_volume:
            return surface_places(series, options)
        if side.siblings and options.mask is None and (mask := mask_of(series.path)) is not None:
            options = replace(options, mask=read_mask(mask))
        return volume_places(series, options)

    def _responses(self, ident: str, passage: Passage) -> tuple[Any, dict[str, int]]:
        if self.store is None:
            size = 4 * passage.shape[0] * passage.shape[1]
            if size > INLINE_LIMIT:
                raise FormatError(
                    "array-too-large",
                    f"responses of {size / 2**20:.0f} MiB are too large for a JSON line (limit 64 MiB): -o FILE.h5",
                )
            made = ResponseArray(passage.shape)
            return made.array, _run(passage, made, Path(tempfile.gettempdir()))
        try:
            room = self.store.create(ident, passage.shape)
        except OSError as error:
            raise Fatal(WRITE_FAILED, f"{ident}: {error.strerror}") from None
        try:
            writer = room.writer()
            try:
                return room, _run(passage, writer, room.folder)
            finally:
                writer.close()
        except BaseException:
            room.discard()
            raise

    def _say(self, ident: str, said: str) -> None:
        if not self.quiet:
            print(f"{self.command}: {ident}: {said}", file=sys.stderr)

    def _columns_said(self, counts: dict[str, int], places: Places, *, cleaned: bool) -> str:
        stand = "NaN" if np.isnan(self.treatment.bad) else "zeros"
        constant = stand if cleaned or np.isnan(self.treatment.bad) else "as they are"
        words = {"constant": f"do not change ({constant})", "not_finite": f"hold NaN or infinity ({stand})"}
        told = [f"{counts[key]} {said}" for key, said in words.items() if counts[key]]
        if counts.get("left_out"):
            told.append(f"{counts['left_out']} voxels without a value are left out of the means")
        return f"of {places.count} {places.noun} {', '.join(told)}" if told else ""


def _volumes_said(volumes: Record, blank: list[int]) -> str:
    told = []
    if volumes["kept"] < volumes["scrubbed"]:
        told.append(f"scrubbing leaves {volumes['kept']} of {volumes['total'] - volumes['dropped']} volumes")
    if blank:
        told.append(_blank_said(blank))
    return "; ".join(told)


def _blank_said(blank: list[int]) -> str:
    named = ", ".join(map(str, blank[:8])) + (f" and {len(blank) - 8} more" if len(blank) > 8 else "")
    which = f"volume {named} (from 0) holds" if len(blank) == 1 else f"volumes {named} (from 0) hold"
    return f"{which} one value everywhere, as a lost frame does"


def _run(passage: Passage, writer: Writer, folder: Path) -> dict[str, int]:
    # Readers say in their own way what is wrong with a file: what is left is the disk that is written to.
    try:
        counts = passage.through(writer, folder)
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{folder}: {error.strerror}") from None
    volumes, count = passage.shape
    # A single volume changes nowhere.
    if counts["not_finite"] + (counts["constant"] if volumes > 1 else 0) == count:
        raise InputError(
            "no-values",
            f"nothing is left: of {count} {passage.places.noun} {counts['not_finite']} hold NaN or infinity and"
            f" {counts['constant']} do not change" + (f"; {_blank_said(passage.blank)}" if passage.blank else ""),
        )
    return counts

"""Scans and runs to windows as a model reads them: treated as its own were, cut as its own were, without words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.fmri_cutting import Cutting, story_names
from medpipe.cli.fmri_extraction import Extraction
from medpipe.cli.fmri_places import Places
from medpipe.cli.fmri_side_inputs import SideInputs
from medpipe.cli.fmri_treatment import Treatment
from medpipe.cli.fmri_window_index import disagreement, window_facts
from medpipe.core.errors import InputError
from medpipe.formats.arrays import is_array
from medpipe.formats.jsonl import Record
from medpipe.formats.run_file import ScratchResponses


class _Scratch:
    """A Store of responses that are gone when their windows are read."""

    def create(self, ident: str, shape: tuple[int, int]) -> ScratchResponses:
        return ScratchResponses(shape)


@dataclass(slots=True)
class ScanWindows:
    """The windows of a scan or a run.

    Args:
        said: what the model says of its own windows.
        known: names of stories that the model has learnt from.
        cutting: where windows lie.
        extraction: what is done to scans; None where the model does not say.
    """

    said: Mapping[str, Any]
    known: Collection[str]
    cutting: Cutting
    extraction: Extraction | None

    @classmethod
    def of(
        cls, said: Mapping[str, Any], known: Collection[str], command: str, side: SideInputs, tr: float | None,
        start: float | None, *, quiet: bool,
    ) -> Self:  # fmt: skip
        """For a model of the brain stage. Fatal 65 where a mask or an atlas is not the model's."""
        for option, grid, name in (("--mask", side.mask, "mask"), ("--labels", side.atlas, "atlas")):
            if grid is not None and (why := _other(name, grid.digest(), said.get(name))):
                count = int((grid.values != 0).sum())
                raise Fatal(BAD_STREAM, f"{option}, {count} voxels: {why} of {said['shape'][1]} columns")
        window = said["volumes"]
        cutting = Cutting(
            tr, (said.get("start") or 0.0) if start is None else start, None, said.get("lag") or 0,
            said["shape"][0] - window, window, said.get("hop") or window,
        )  # fmt: skip
        made = cls(said, known, cutting, None)
        if said.get("cleaning") is not None:
            treatment = _treatment(said["cleaning"])
            made.extraction = Extraction(command, treatment, side, tr, _Scratch(), quiet, made._fits)
        return made

    def is_run(self, record: Record) -> bool:
        """Whether a record is a scan or a whole run, not a window."""
        if "bold" in record or is_array(record.get("sample_mask")):
            return True
        bare: Any = record.get("responses")
        whole = is_array(bare) and len(bare.shape) == 2 and bare.shape[0] > self.said["shape"][0]
        return whole and "alignment" not in record and "tr_texts" not in record

    def __call__(self, record: Record) -> Iterator[Record]:
        """Windows one after another. Raises FormatError, InputError."""
        run = self._extracted(record) if "bold" in record else record
        names = story_names(record["id"])
        # Under the name that the model may have learnt it by.
        story = next((name for name in names if name in self.known), names[-1])
        try:
            yield from self.cutting.windows(self.cutting.run_of(run), story)
        finally:
            if isinstance(scratch := run.get("responses"), ScratchResponses):
                scratch.discard()

    def _extracted(self, record: Record) -> Record:
        if self.extraction is None:
            raise InputError(
                "unknown-cleaning",
                "the model does not say how its responses were cleaned, so no scan can be cleaned alike: give windows",
            )
        (run,) = self.extraction(record)
        return run

    def _fits(self, tr: float, places: Places) -> None:
        """Before anything is read: InputError for a scan that is not of the model's kind."""
        wanted = self.said["shape"][1]
        if places.count != wanted:
            raise InputError("wrong-shape", f"the scan has {places.count} {places.noun}, the model reads {wanted}")
        own = window_facts({"tr": tr, **places.facts})
        for name in ("mask", "atlas"):
            if why := _other(name, own[name], self.said.get(name)):
                raise InputError("wrong-windows", f"the scan has {why}")
        if why := disagreement(own, self.said):
            raise InputError("wrong-windows", f"the scan {why}")


def _other(name: str, own: str | None, model: str | None) -> str | None:
    """Where the digests of two masks or atlases differ, both."""
    if own == model:
        return None
    one, other = (f"no {name}" if digest is None else f"the {name} {digest[:12]}" for digest in (own, model))
    return f"{one}, the model {other}"


def _treatment(said: Mapping[str, Any]) -> Treatment:
    try:
        made = Treatment.of(said)
        made.clean  # noqa: B018  # reads its drifts
    except (TypeError, ValueError) as error:
        raise Fatal(BAD_STREAM, f"the model says of its responses' cleaning what cannot be done: {error}") from None
    return made

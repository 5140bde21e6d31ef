"""Between records and a grounding model: an image in, boxes and what was done out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, Fatal
from medpipe.cli.grounding_knowledge import open_knowledge
from medpipe.cli.process import EXPECTED, Outcome, bare
from medpipe.core.errors import InputError, ModelError
from medpipe.core.vision.grounder import TOGETHER, Grounder, Limits, box_facts
from medpipe.core.vision.grounding_folder import open_model
from medpipe.formats.arrays import is_array, materialise
from medpipe.formats.image import image_spacing
from medpipe.formats.jsonl import Record


@dataclass(slots=True)
class Grounding:
    """A grounder with the options of the run."""

    grounder: Grounder
    findings: dict[str, str]
    limits: Limits
    facts: dict[str, Any]
    calibrated: frozenset[str]
    keep_arrays: bool
    together: int

    @classmethod
    def open(
        cls, command: str, settings: dict[str, Any], device: str, together: int | None, *, quiet: bool
    ) -> Grounding:
        """With the model that `settings` name; Fatal 69 when it is not to be had, 65 when it does not fit."""
        try:
            opened = open_model(settings["model"], settings["preset"], device)
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
        knowledge = open_knowledge(settings["knowledge"], settings["described"], opened.descriptions)
        preset = opened.preset if settings["beams"] is None else replace(opened.preset, beams=settings["beams"])
        facts = opened.facts | {"beams": preset.beams, "knowledge": None if knowledge is None else knowledge.digest}
        if knowledge is not None:
            facts["reviewed_by_radiologist"] = knowledge.reviewed
        found = cls(
            Grounder(opened.florence, preset, knowledge), settings["queries"],
            Limits(settings["max_boxes"], settings["nms"]), facts, opened.calibrated, settings["keep_arrays"],
            together or TOGETHER,
        )  # fmt: skip
        if not quiet:
            found.tell(command)
        return found

    @property
    def label(self) -> str:
        """For `via`."""
        sha256 = self.facts.get("sha256")
        return str(self.facts["name"]) + (f"@{sha256}" if sha256 else "")

    def tell(self, command: str) -> None:
        """What a user should know before reading the result."""
        if not self.facts["trained"]:
            print(f"{command}: {self.facts['name']} is untrained: its output means nothing", file=sys.stderr)
        knowledge = self.grounder.knowledge
        unknown = [
            name
            for name, text in self.findings.items()
            if knowledge is not None and text == name and knowledge.sentence(name) is None
        ]
        if unknown:
            said = ", ".join(unknown[:8])
            print(f"{command}: no description of {said}: asked for by name alone", file=sys.stderr)

    def transform(self, records: Sequence[Record]) -> Iterable[Outcome]:
        """Records with their boxes."""
        for record in records:
            try:
                yield [self._grounded(record)]
            except EXPECTED as error:
                yield bare(error)

    def _grounded(self, record: Record) -> Record:
        if not is_array(record.get("image")):
            raise InputError("no-image", "the record has no image to look at")
        found, fit = self.grounder.ground(materialise(record["image"]), self.findings, self.limits, self.together)
        spacing = image_spacing(record)
        out = {key: value for key, value in record.items() if self.keep_arrays or key != "image"}
        out["boxes"] = [box_facts(box, spacing, found.written.get(place)) for place, box in enumerate(found.boxes)]
        out["present"] = {name: round(share, 6) for name, share in found.present.items()}
        unsure = [name for name in self.findings if name.lower() not in self.calibrated]
        out |= {"calibrated": not unsure} | ({"uncalibrated": unsure} if 0 < len(unsure) < len(self.findings) else {})
        out |= {"grounder": self.facts, "fit": fit.facts()}
        return out | ({"dropped": found.dropped} if found.dropped else {})

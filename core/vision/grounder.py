"""Findings of an image as boxes in its own pixels: AG-KD's pipe from picture and sentence to box and presence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError
from medpipe.core.vision.findings import Knowledge, normal_name
from medpipe.core.vision.florence import Answer, Decoding, Florence
from medpipe.core.vision.grounding_presets import GroundingPreset
from medpipe.core.vision.grounding_prompt import grounding_prompt
from medpipe.core.vision.letterbox import Fit, fit_pixels
from medpipe.core.vision.location_tokens import centres
from medpipe.core.vision.suppression import suppress

# Findings that are asked for at once.
TOGETHER: Final = 8


@dataclass(slots=True)
class Grounded:
    """Boxes as (finding, x, y, x, y, score) in pixels of the image, presence by finding, and what was dropped.

    `written` is by a box's place what the model called it, where that is not the finding that was asked for: Florence-2
    may ground another phrase of the sentence.
    """

    boxes: list[tuple[str, tuple[float, float, float, float], float]] = field(default_factory=list)
    present: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    written: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each finding the most boxes (None: all), and the overlap above which the lesser of two goes (None: none)."""

    most: int | None = None
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class Grounder:
    """A model, how it is asked, and what is known of findings; None asks by names alone."""

    model: Florence
    preset: GroundingPreset
    knowledge: Knowledge | None = None

    def prompts(self, findings: Mapping[str, str]) -> list[str]:
        """What is asked for each finding, by its name; a text of the caller's own that differs is its description."""
        made = []
        for name, text in findings.items():
            own = text if text != name else None
            known = self.knowledge.sentence(name) if self.knowledge is not None else None
            made.append(grounding_prompt(name.lower(), own or known, self.preset.template))
        return made

    def ground(
        self, pixels: NDArray[np.uint8], findings: Mapping[str, str], limits: Limits, together: int = TOGETHER
    ) -> tuple[Grounded, Fit]:
        """Every finding in an image [rows, columns] or [rows, columns, 3]; the image is encoded once.

        Raises InputError (`bad-image`).
        """
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise InputError("bad-image", "a model looks at grey levels or colours of 8 bits: leave out --voi none")
        side = (self.preset.side, self.preset.side)
        fit = Fit.make((pixels.shape[1], pixels.shape[0]), side, self.preset.how)
        image = self.model.encode(fit_pixels(pixels, fit))
        names, prompts = list(findings), self.prompts(findings)
        decoding = Decoding(self.preset.beams, self.preset.tokens, self.preset.places_first)
        found = Grounded()
        for start in range(0, len(names), together):
            some = names[start : start + together]
            labels = [name.lower() for name in some]
            answers = self.model.ask(image, prompts[start : start + together], labels, decoding)
            for name, answer in zip(some, answers, strict=True):
                _take(found, name, answer, fit, limits)
        return found, fit


def _take(found: Grounded, name: str, answer: Answer, fit: Fit, limits: Limits) -> None:
    """The boxes of one finding, best first."""
    found.present[name] = answer.present
    for why, count in answer.dropped.items():
        found.dropped[why] = found.dropped.get(why, 0) + count
    if not answer.boxes:
        return
    boxes = fit.to_image(centres([bins for _, bins, _ in answer.boxes], fit.model))
    scores = np.array([score for *_, score in answer.boxes])
    kept = _order(scores) if limits.overlap is None else suppress(boxes, scores, limits.overlap)
    _count(found, "overlapping", len(boxes) - len(kept))
    if limits.most is not None:
        _count(found, "beyond_max", len(kept) - limits.most)
        kept = kept[: limits.most]
    for place in kept:
        left, top, right, bottom = (float(edge) for edge in boxes[place])
        if normal_name(label := answer.boxes[place][0]) != normal_name(name):
            found.written[len(found.boxes)] = label
        found.boxes.append((name, (left, top, right, bottom), float(scores[place])))


def _order(scores: NDArray[np.float64]) -> Sequence[int]:
    return [int(place) for place in np.argsort(-scores, kind="stable")]


def _count(found: Grounded, why: str, count: int) -> None:
    if count > 0:
        found.dropped[why] = found.dropped.get(why, 0) + count


def box_facts(
    box: tuple[str, tuple[float, float, float, float], float], spacing: tuple[float, float] | None,
    written: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A box as records hold it, and the label that was `written` in place of its own.

    With its width and height in mm where the spacing of rows and columns is known.
    """
    label, (left, top, right, bottom), score = box
    made: dict[str, Any] = {"label": label, "xyxy": [round(edge, 2) for edge in (left, top, right, bottom)],
                            "score": round(score, 6)}  # fmt: skip
    if written is not None:
        made["written"] = written
    if spacing is not None:
        made["mm"] = [round((right - left) * spacing[1], 2), round((bottom - top) * spacing[0], 2)]
    return made

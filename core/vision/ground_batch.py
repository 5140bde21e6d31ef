"""What a grounding model is trained with: pictures, what is asked of each, and what it should answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.core.vision.augment_boxes import augmented
from medpipe.core.vision.findings import Knowledge
from medpipe.core.vision.ground_settings import GroundSettings
from medpipe.core.vision.grounding_prompt import grounding_prompt
from medpipe.core.vision.letterbox import Boxes, Fit, fit_pixels
from medpipe.core.vision.location_tokens import quantise, written

IGNORED: Final = -100


@dataclass(frozen=True, slots=True)
class Example:
    """A picture in the model's input [side, side, 3], what is asked of it, and the answers.

    `there` are the boxes [n, 4] with their labels in pixels of the input, for a validation that measures boxes.
    """

    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    answers: tuple[str, ...]
    there: Boxes
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroundBatch:
    """Pictures [B, 3, side, side] of 8 bits; queries [Q, n] with their mask; answers [Q, m], -100 where none counts.

    `image` [Q] is the picture of each query, `texts` [Q] are the prompts in words. Of a batch that is `dense_only` the
    answers teach nothing yet.
    """

    pixels: Tensor
    image: Tensor
    prompts: Tensor
    mask: Tensor
    answers: Tensor
    texts: tuple[str, ...]
    examples: tuple[Example, ...]
    dense_only: bool = False

    def to(self, device: torch.device) -> GroundBatch:
        """All but texts and examples."""
        pixels, image, prompts, mask, answers = (
            part.to(device, non_blocking=True)
            for part in (self.pixels, self.image, self.prompts, self.mask, self.answers)
        )
        return replace(self, pixels=pixels, image=image, prompts=prompts, mask=mask, answers=answers)

    def __len__(self) -> int:
        return len(self.pixels)


def make_example(
    pixels: NDArray[np.uint8], boxes: Sequence[tuple[str, tuple[float, ...]]], names: Sequence[str],
    settings: GroundSettings, rng: np.random.Generator | None,
) -> Example:  # fmt: skip
    """A picture with boxes in its own pixels; `names` are all findings. Without `rng` all is asked, nothing drawn."""
    corners = np.array([box for _, box in boxes], np.float64).reshape(-1, 4)
    labels = [label for label, _ in boxes]
    if rng is not None:
        pixels, corners, kept = augmented(pixels, corners, settings, rng)
        labels = [label for label, stays in zip(labels, kept, strict=True) if stays]
    fit = Fit.make((pixels.shape[1], pixels.shape[0]), (settings.side, settings.side), settings.how)
    shown = fit.to_model(corners)
    asked = _asked(labels, names, settings, rng)
    answers = tuple(_answer(name, shown, labels, settings) for name in asked)
    return Example(fit_pixels(np.ascontiguousarray(pixels), fit), tuple(asked), answers, shown, tuple(labels))


def _asked(
    labels: Sequence[str], names: Sequence[str], settings: GroundSettings, rng: np.random.Generator | None
) -> list[str]:
    present = [name for name in names if name in set(labels)]
    absent = [name for name in names if name not in set(labels)]
    if rng is None:
        return present + (absent if settings.negatives else [])
    present = [present[place] for place in rng.permutation(len(present))][: settings.most_findings]
    wanted = settings.negatives * max(1, len(present))
    count = min(int(wanted) + (rng.random() < wanted % 1), settings.most_findings - len(present))
    return present + [absent[place] for place in rng.permutation(len(absent))[: max(0, count)]]


def _answer(name: str, boxes: Boxes, labels: Sequence[str], settings: GroundSettings) -> str:
    own = boxes[[place for place, label in enumerate(labels) if label == name]]
    if settings.order == "left":
        own = own[np.lexsort((own[:, 1], own[:, 0]))]
    bins = quantise(own, (settings.side, settings.side)).tolist()
    if settings.repeat_label and bins:
        return "".join(written(name.lower(), [box]) for box in bins)
    return written(name.lower(), bins)


def join_examples(
    examples: Sequence[Example], tokenizer: Any, settings: GroundSettings, knowledge: Knowledge | None, *,
    dense_only: bool = False,
) -> GroundBatch:  # fmt: skip
    """A batch of examples of which something is asked."""
    owners = [place for place, one in enumerate(examples) for _ in one.names]
    prompts = [
        grounding_prompt(name.lower(), knowledge.sentence(name) if knowledge else None, settings.template)
        for one in examples
        for name in one.names
    ]
    asked = tokenizer(prompts, return_tensors="pt", padding=True)
    told = tokenizer([answer for one in examples for answer in one.answers], return_tensors="pt", padding=True)
    answers = told["input_ids"].masked_fill(told["attention_mask"] == 0, IGNORED)
    pixels = torch.from_numpy(np.stack([one.pixels for one in examples])).permute(0, 3, 1, 2)
    return GroundBatch(
        pixels,
        torch.tensor(owners),
        asked["input_ids"],
        asked["attention_mask"],
        answers,
        tuple(prompts),
        tuple(examples),
        dense_only,
    )

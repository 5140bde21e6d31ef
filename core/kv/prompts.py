"""From words and pictures to what a decoder reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model's forward takes, each for one prompt, and which of its tokens are of an image [n]."""

    inputs: dict[str, Tensor]
    visual: Tensor
    images: int

    @property
    def tokens(self) -> int:
        """How many."""
        return int(self.inputs["input_ids"].shape[1])

    def to(self, device: torch.device, dtype: torch.dtype) -> Prompt:
        """Elsewhere; pixels in the type of the model."""
        moved = {name: one.to(device, dtype if one.is_floating_point() else None) for name, one in self.inputs.items()}
        return Prompt(moved, self.visual, self.images)


class PromptEncoder(Protocol):
    """Makes prompts for one model."""

    def encode(self, text: str, images: Sequence[NDArray[np.uint8]]) -> Prompt:
        """Images [rows, columns] or [rows, columns, 3] before the text. Raises InputError."""
        ...


def pictures(images: Sequence[NDArray[np.uint8]]) -> list[PIL.Image.Image]:
    """In three colours. Raises InputError for what is no picture of 8 bits."""
    for one in images:
        if one.dtype != np.uint8 or one.ndim not in (2, 3) or 0 in one.shape:
            raise InputError(
                "bad-image", f"an image of {one.dtype}, {'x'.join(map(str, one.shape))}: 8 bits are needed"
            )
    return [PIL.Image.fromarray(one).convert("RGB") for one in images]


def visual_tokens(config: Any, tokens: Tensor) -> Tensor:
    """Which tokens [n] of a prompt stand for an image; none where the model has no token for that."""
    token = getattr(config, "image_token_id", None)
    return torch.zeros_like(tokens, dtype=torch.bool) if token is None else tokens == token


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """Of a model that reads text alone."""

    tokenizer: Any

    def encode(self, text: str, images: Sequence[NDArray[np.uint8]]) -> Prompt:
        """See PromptEncoder."""
        if images:
            raise InputError("no-vision", "the model reads text alone, the request has images")
        if self.tokenizer.chat_template:
            made = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, return_tensors="pt", return_dict=True
            )["input_ids"]
        else:
            made = self.tokenizer(text, return_tensors="pt")["input_ids"]
        return Prompt({"input_ids": _some(made)}, torch.zeros(made.shape[1], dtype=torch.bool), 0)


@dataclass(frozen=True, slots=True)
class VisionEncoder:
    """Of a model with a processor of transformers' own."""

    processor: Any
    config: Any

    def encode(self, text: str, images: Sequence[NDArray[np.uint8]]) -> Prompt:
        """See PromptEncoder."""
        refuse_marks(self.processor.tokenizer, self.config, text)
        shown = pictures(images)
        try:
            made = self._read(text, shown)
        except ValueError as error:
            raise _unread(error) from None
        inputs = {name: one for name, one in made.items() if name != "attention_mask" and isinstance(one, Tensor)}
        return Prompt(inputs, visual_tokens(self.config, _some(inputs["input_ids"])[0]), len(shown))

    def _read(self, text: str, shown: Sequence[PIL.Image.Image]) -> Any:
        if getattr(self.processor, "chat_template", None):
            return self.processor.apply_chat_template(
                _turn(text, shown), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        placed = "".join(f"{self.processor.image_token}\n" for _ in shown) + text
        return self.processor(text=[placed], images=shown or None, return_tensors="pt")


@dataclass(frozen=True, slots=True)
class GridEncoder:
    """Of Qwen2-VL and Qwen2.5-VL: an image has as many tokens as its grid of patches, some of them merged.

    Transformers' own processor reads videos too, and so cannot be had without torchvision.
    """

    tokenizer: Any
    image_processor: Any
    config: Any

    def encode(self, text: str, images: Sequence[NDArray[np.uint8]]) -> Prompt:
        """See PromptEncoder."""
        refuse_marks(self.tokenizer, self.config, text)
        shown = pictures(images)
        inputs = self._grids(shown) if shown else {}
        counts = iter(
            [int(grid.prod()) // self.image_processor.merge_size**2 for grid in inputs.get("image_grid_thw", [])]
        )
        names = ("vision_start_token_id", "image_token_id", "vision_end_token_id")
        start, image, end = (self.tokenizer.convert_ids_to_tokens(getattr(self.config, name)) for name in names)
        if self.tokenizer.chat_template:
            placed = self.tokenizer.apply_chat_template(_turn(text, shown), add_generation_prompt=True, tokenize=False)
        else:
            placed = f"{start}{image}{end}" * len(shown) + text
        if placed.count(image) != len(shown):
            raise InputError("bad-template", f"the chat template places {placed.count(image)} of {len(shown)} images")
        placed = re.sub(re.escape(image), lambda _: image * next(counts), placed)
        tokens = _some(self.tokenizer(placed, add_special_tokens=False, return_tensors="pt")["input_ids"])
        visual = visual_tokens(self.config, tokens[0])
        return Prompt({"input_ids": tokens, "mm_token_type_ids": visual.int()[None], **inputs}, visual, len(shown))

    def _grids(self, shown: Sequence[PIL.Image.Image]) -> dict[str, Tensor]:
        try:
            return dict(self.image_processor(images=list(shown), return_tensors="pt"))
        except ValueError as error:
            raise _unread(error) from None


def refuse_marks(tokenizer: Any, config: Any, text: str) -> None:
    """Raises InputError for a text in which a token of an image stands: it would be taken for one."""
    names = ("image_token_id", "video_token_id")
    marks = {found for name in names if (found := getattr(config, name, None)) is not None}
    there = marks.intersection(tokenizer(text, add_special_tokens=False)["input_ids"])
    if there:
        shown = tokenizer.convert_ids_to_tokens(there.pop())
        raise InputError("image-token", f"the prompt has {shown} in it: images go under images, and before the text")


def _turn(text: str, shown: Sequence[PIL.Image.Image]) -> list[dict[str, Any]]:
    """A conversation of one turn, as chat templates take it."""
    said = [{"type": "text", "text": text}] if text else []
    return [{"role": "user", "content": [*({"type": "image", "image": one} for one in shown), *said]}]


def _unread(error: ValueError) -> InputError:
    first = next(iter(str(error).splitlines()), "")
    return InputError("bad-image", f"the model's processor refuses the request: {first[:200]}")


def _some(tokens: Tensor) -> Tensor:
    if tokens.shape[1] == 0:
        raise InputError("empty", "the prompt has no token")
    return tokens

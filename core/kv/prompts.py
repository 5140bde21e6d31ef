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
from medpipe.core.kv.placement import PLACE, Parts, arranged, in_order, inline, probes, turn


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
        """Images [rows, columns] or [rows, columns, 3], each at its `<image>` in the text, else before it.

        Raises InputError.
        """
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
        shown = pictures(images)
        parts = arranged(text, shown)
        refuse_marks(self.processor.tokenizer, self.config, parts)
        try:
            made = self._read(parts, shown, placed=PLACE in text)
        except ValueError as error:
            raise _unread(error) from None
        inputs = {name: one for name, one in made.items() if name != "attention_mask" and isinstance(one, Tensor)}
        return Prompt(inputs, visual_tokens(self.config, _some(inputs["input_ids"])[0]), len(shown))

    def _read(self, parts: Parts, shown: Sequence[PIL.Image.Image], *, placed: bool) -> Any:
        given = {"images": shown or None, "return_tensors": "pt"}
        if not getattr(self.processor, "chat_template", None):
            return self.processor(text=[inline(parts, self.processor.image_token + "\n" * (not placed))], **given)
        if placed:
            said = self._turned(parts)
            special = not said.startswith(self.processor.tokenizer.bos_token or "\0")
            return self.processor(text=[said], add_special_tokens=special, **given)
        return self.processor.apply_chat_template(
            turn(parts), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )

    def _turned(self, parts: Parts) -> str:
        """By the chat template; some write all images first: for them the image's token stands in the text."""
        mark, probed = self.processor.image_token, probes(parts)
        for arrange in (lambda one: one, lambda one: [inline(one, mark)]):
            if in_order(self._templated(arrange(probed)), probed, mark):
                return self._templated(arrange(parts))
        raise InputError("bad-template", f"the chat template does not keep the order of text and {PLACE}")

    def _templated(self, parts: Parts) -> str:
        return str(self.processor.apply_chat_template(turn(parts), add_generation_prompt=True, tokenize=False))


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
        shown = pictures(images)
        parts = arranged(text, shown)
        refuse_marks(self.tokenizer, self.config, parts)
        inputs = self._grids(shown) if shown else {}
        counts = iter(
            [int(grid.prod()) // self.image_processor.merge_size**2 for grid in inputs.get("image_grid_thw", [])]
        )
        names = ("vision_start_token_id", "image_token_id", "vision_end_token_id")
        start, image, end = (self.tokenizer.convert_ids_to_tokens(getattr(self.config, name)) for name in names)
        placed, probed = (self._placed(one, f"{start}{image}{end}") for one in (parts, probes(parts)))
        if not in_order(probed, probes(parts), image):
            raise InputError("bad-template", "the chat template does not place each image once, where it is meant")
        placed = re.sub(re.escape(image), lambda _: image * next(counts), placed)
        tokens = _some(self.tokenizer(placed, add_special_tokens=False, return_tensors="pt")["input_ids"])
        visual = visual_tokens(self.config, tokens[0])
        return Prompt({"input_ids": tokens, "mm_token_type_ids": visual.int()[None], **inputs}, visual, len(shown))

    def _placed(self, parts: Parts, mark: str) -> str:
        if not self.tokenizer.chat_template:
            return inline(parts, mark)
        return str(self.tokenizer.apply_chat_template(turn(parts), add_generation_prompt=True, tokenize=False))

    def _grids(self, shown: Sequence[PIL.Image.Image]) -> dict[str, Tensor]:
        try:
            return dict(self.image_processor(images=list(shown), return_tensors="pt"))
        except ValueError as error:
            raise _unread(error) from None


def refuse_marks(tokenizer: Any, config: Any, parts: Parts) -> None:
    """Raises InputError for a text in which a token of an image stands: it would be taken for one."""
    names = ("image_token_id", "video_token_id")
    marks = {found for name in names if (found := getattr(config, name, None)) is not None}
    for said in parts:
        if not isinstance(said, str):
            continue
        there = marks.intersection(tokenizer(said, add_special_tokens=False)["input_ids"])
        if there:
            shown = tokenizer.convert_ids_to_tokens(there.pop())
            raise InputError("image-token", f"the prompt has {shown} in it: where an image stands is said by {PLACE}")


def _unread(error: ValueError) -> InputError:
    first = next(iter(str(error).splitlines()), "")
    return InputError("bad-image", f"the model's processor refuses the request: {first[:200]}")


def _some(tokens: Tensor) -> Tensor:
    if tokens.shape[1] == 0:
        raise InputError("empty", "the prompt has no token")
    return tokens

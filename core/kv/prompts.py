"""From words and pictures to what a decoder reads."""

from __future__ import annotations

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
        shown = pictures(images)
        if getattr(self.processor, "chat_template", None):
            content = [*({"type": "image", "image": one} for one in shown), {"type": "text", "text": text}]
            made = self.processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            )  # fmt: skip
        else:
            placed = "".join(f"{self.processor.image_token}\n" for _ in shown) + text
            made = self.processor(text=[placed], images=shown or None, return_tensors="pt")
        inputs = {name: one for name, one in made.items() if name != "attention_mask" and isinstance(one, Tensor)}
        return Prompt(inputs, visual_tokens(self.config, _some(inputs["input_ids"])[0]), len(shown))


def _some(tokens: Tensor) -> Tensor:
    if tokens.shape[1] == 0:
        raise InputError("empty", "the prompt has no token")
    return tokens

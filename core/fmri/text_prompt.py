"""The text prompt of BP-GPT (arXiv 2502.15172, section 2): what a frozen BERT makes of a text, mapped to a prompt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.fmri.prompt_transformer import PromptTransformer


class TextMapper(nn.Module):
    """Vectors of texts [batch, given] -> prompt [batch, length, width].

    At the published shape, BERT's 768 to 100 vectors of GPT-2's 768, it has 38,662,400 parameters.

    Args:
        given: width of BERT.
        width: of the language model's vectors.
        length: vectors of the prompt.
        layers: of the transformer.
        heads: of its attention.
        between: width in between, that of CLIP in ClipCap.
        dropout: of the transformer's hidden layers.
    """

    def __init__(
        self, given: int = 768, width: int = 768, length: int = 100, layers: int = 8, heads: int = 8,
        between: int = 512, dropout: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduce = nn.Linear(given, between)
        self.to_vector = nn.Linear(between, width)
        self.transformer = PromptTransformer(width, length, layers, heads, dropout=dropout)

    def forward(self, texts: Tensor) -> Tensor:
        """See the class."""
        prompt: Tensor = self.transformer(self.to_vector(self.reduce(texts))[:, None])
        return prompt


class TextEncoder:
    """A frozen model of BERT's kind and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval().requires_grad_(False), tokenizer

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        return int(self.model.config.hidden_size)

    @cached_property
    def name(self) -> str:
        """Sixteen hex digits over its weights and vocabulary."""
        digest = hashlib.sha256(json.dumps(self.tokenizer.get_vocab(), sort_keys=True).encode())
        for name, weights in self.model.state_dict().items():
            digest.update(name.encode() + weights.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts, dim]; texts of a length stand together."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        made = np.empty((len(texts), self.dim), np.float32)
        made[order] = self.vectors([texts[place] for place in order]).numpy()
        return made

    @torch.no_grad()
    def vectors(self, texts: Sequence[str], together: int = 32) -> Tensor:
        """[texts, dim] float32 on the CPU: the mean over a text's own tokens, marks and padding left out.

        Released code takes them in, so that a text's prompt depends on its neighbours in the batch. A text without
        any token has the mean over its marks.
        """
        most = min(int(getattr(self.model.config, "max_position_embeddings", 512)), 512)
        made = []
        for start in range(0, len(texts), together):
            tokens = self.tokenizer(
                list(texts[start : start + together]), return_tensors="pt", padding=True, truncation=True,
                max_length=most, return_special_tokens_mask=True,
            )  # fmt: skip
            marks = tokens.pop("special_tokens_mask").bool()
            tokens = {name: value.to(self.model.device) for name, value in tokens.items()}
            states = self.model(**tokens).last_hidden_state.float().cpu()
            there = tokens["attention_mask"].bool().cpu()
            own = there & ~marks
            counted = torch.where(own.any(dim=1, keepdim=True), own, there)[..., None].float()
            made.append((states * counted).sum(dim=1) / counted.sum(dim=1))
        return torch.cat(made)

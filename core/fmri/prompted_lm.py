"""A causal language model that reads a prompt of vectors before its text: any that transformers loads."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medpipe.core.errors import ModelError
from medpipe.core.fmri.heard_text import TextIds

IGNORED = -100


class PromptedLm(nn.Module):
    """The model, and what its tokenizer makes of texts. Raises ModelError where texts cannot be told in its tokens."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model = model
        self.texts = TextIds.of(tokenizer)

    @property
    def width(self) -> int:
        """Of the vectors that it reads."""
        return int(self.model.get_input_embeddings().embedding_dim)

    @property
    def places(self) -> int | None:
        """How many vectors it can read; None where nothing says."""
        found = getattr(self.model.config, "max_position_embeddings", None)
        return None if found is None else int(found)

    def check_room(self, length: int, tokens: int) -> None:
        """ModelError where prompt and text are longer than what it reads."""
        if self.places is not None and length + tokens > self.places:
            raise ModelError(
                f"a prompt of {length} and a text of {tokens} tokens: the language model reads {self.places}"
            )

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens [batch, n] -> vectors [batch, n, width]."""
        vectors: Tensor = self.model.get_input_embeddings()(ids)
        return vectors

    def forward(self, prompt: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy, nats by token, of texts behind prompts: nothing else is counted.

        Args:
            prompt: [batch, length, width].
            targets: tokens [batch, n], IGNORED behind the end of each.
        """
        counted = targets != IGNORED
        vectors = torch.cat([prompt, self.embed(targets.masked_fill(~counted, 0)).to(prompt.dtype)], dim=1)
        mask = torch.cat([counted.new_ones(prompt.shape[:2]), counted], dim=1)
        # The prompt's last place tells the first token, the last token tells nothing.
        logits = self.model(
            inputs_embeds=vectors, attention_mask=mask.long(), use_cache=False, logits_to_keep=targets.shape[1] + 1
        ).logits[:, :-1]
        return F.cross_entropy(logits[counted].float(), targets[counted])

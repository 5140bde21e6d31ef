"""One prompt read once, and its continuation under every budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.continuation import forced, greedy, prefill
from medpipe.core.kv.decoder import Decoder
from medpipe.core.kv.int8_cache import Int8Cache
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.prompts import Prompt
from medpipe.core.kv.quality import attention_errors, compare

_WHOLE = Compression(METHODS["recent"], 1.0)


def measured(decoder: Decoder, prompt: Prompt, rows: RowSettings) -> tuple[BudgetedCache, Tensor]:
    """The full cache of a prompt with its statistics, and logits of what follows. Raises InputError."""
    cache = BudgetedCache(decoder.model, None, prompt.visual, rows)
    return cache, prefill(decoder, prompt, cache)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a model says with the full cache: tokens that are forced on it, logits before each, and freely."""

    decoder: Decoder
    cache: BudgetedCache
    first: Tensor
    tokens: Sequence[int]
    logits: Tensor
    free: Sequence[int]
    answered: bool
    outputs: Sequence[Tensor]

    @classmethod
    def of(cls, decoder: Decoder, cache: BudgetedCache, first: Tensor, answer: str | None, most: int) -> Baseline:
        """The forced tokens are those of the answer, at most so many, else what the model says freely."""
        free = greedy(decoder, first, most, cache.compressed(_WHOLE))
        said = [] if answer is None else decoder.tokenizer(answer, add_special_tokens=False)["input_ids"][:most]
        tokens = said or free
        whole = cache.compressed(_WHOLE)
        whole.recording = True
        logits = forced(decoder, first, tokens, whole, singly=False)
        return cls(decoder, cache, first, tokens, logits, free, bool(said), _outputs(whole))

    def whole(self) -> tuple[dict[str, Any], BudgetedCache, str]:
        """The same of the full cache, which others are compared with: what it says is the most they can come to."""
        quality = compare(self.logits, self.logits, self.tokens)
        return quality, self.cache.compressed(_WHOLE), self._words(self.free) if self.answered else ""

    def compressed(self, compression: Compression, every: int | None) -> tuple[dict[str, Any], BudgetedCache, str]:
        """Quality under a compression, the cache that was made, and what is said freely. Raises InputError."""
        quality, text = self._quality(lambda: self.cache.compressed(compression, every), singly=every is not None)
        return quality, self.cache.compressed(compression), text

    def int8(self) -> tuple[dict[str, Any], Int8Cache, str]:
        """The same with every entry kept, in eight bits."""
        quality, text = self._quality(lambda: Int8Cache(self.cache), singly=False)
        return quality, Int8Cache(self.cache), text

    def _quality(self, make: Callable[[], Cache], *, singly: bool) -> tuple[dict[str, Any], str]:
        cache = make()
        if isinstance(cache, BudgetedCache):
            cache.recording = True
        found = forced(self.decoder, self.first, self.tokens, cache, singly=singly)
        quality = compare(self.logits, found, self.tokens)
        if isinstance(cache, BudgetedCache) and self.outputs:
            quality["attention_error"] = attention_errors(self.outputs, _outputs(cache))
        if not self.answered:
            return quality, ""
        free = greedy(self.decoder, self.first, len(self.free), make())
        apart = [place for place, (one, other) in enumerate(zip(free, self.free, strict=False)) if one != other]
        quality["first_divergence"] = apart[0] if apart else None
        return quality, self._words(free)

    def _words(self, tokens: Sequence[int]) -> str:
        return str(self.decoder.tokenizer.decode(tokens, skip_special_tokens=True))


def _outputs(cache: BudgetedCache) -> list[Tensor]:
    """What each layer's attention gave [tokens, heads x d]; none where there was but one token, known before."""
    return [torch.cat(layer.outputs) for layer in cache.budgeted if layer.outputs]

"""One prompt read once, and its continuation under every budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.budgets import exact_budgets
from medpipe.core.kv.continuation import forced, greedy, prefill
from medpipe.core.kv.decoder import Decoder
from medpipe.core.kv.int8_cache import Int8Cache
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.prompts import Prompt
from medpipe.core.kv.quality import attention_errors, compare

_MOST = 2**31
_WHOLE = Compression(METHODS["recent"], 1.0)


def measured(decoder: Decoder, prompt: Prompt, rows: RowSettings, said: int = 0) -> tuple[BudgetedCache, Tensor]:
    """The full cache of a prompt with its statistics, and logits of what follows, where so many tokens may be said.

    Raises InputError.
    """
    cache = BudgetedCache(decoder.model, None, prompt.visual, rows)
    # The last of them is not read again.
    return cache, prefill(decoder, prompt, cache, said - 1)


@dataclass(frozen=True, slots=True)
class Growth:
    """What becomes of a cache that is continued: it grows, or a layer is compressed again when it is `every` entries
    above its share of `target`, the mean over layers; without a target its share is its budget of the prompt."""

    every: int | None = None
    target: int | None = None

    def aim(self, cache: BudgetedCache) -> BudgetedCache:
        """The same cache, with the target shared out in proportion to the layers' budgets."""
        layers = cache.budgeted
        if self.target is not None:
            shares = exact_budgets([float(layer.entries) for layer in layers], self.target * len(layers), 1, _MOST)
            for layer, share in zip(layers, shares, strict=True):
                layer.budget = share
        return cache


@dataclass(frozen=True, slots=True)
class Tried:
    """Quality, the cache after the prompt, bytes of keys and values once all but the last token of the continuation are
    in it too, and what is said freely where there is an answer."""

    quality: dict[str, Any]
    cache: BudgetedCache | Int8Cache
    bytes_end: int
    text: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a model says with the full cache: tokens that are forced on it, logits before each, and freely."""

    decoder: Decoder
    cache: BudgetedCache
    first: Tensor
    tokens: Sequence[int]
    logits: Tensor
    free: Sequence[int]
    most: int
    answered: bool
    outputs: Sequence[Tensor]
    bytes_end: int

    @classmethod
    def of(cls, decoder: Decoder, cache: BudgetedCache, first: Tensor, answer: str | None, most: int) -> Baseline:
        """The forced tokens are those of the answer, at most so many, else what the model says freely."""
        free = greedy(decoder, first, most, cache.compressed(_WHOLE))
        said = [] if answer is None else decoder.tokenizer(answer, add_special_tokens=False)["input_ids"][:most]
        tokens = said or free
        whole = cache.compressed(_WHOLE)
        whole.recording = True
        logits = forced(decoder, first, tokens, whole, singly=False)
        return cls(decoder, cache, first, tokens, logits, free, most, bool(said), _outputs(whole), whole.kv_bytes()[0])

    def whole(self) -> Tried:
        """The same of the full cache, which others are compared with: what it says is the most they can come to."""
        quality = compare(self.logits, self.logits, self.tokens)
        words = self._words(self.free) if self.answered else ""
        return Tried(quality, self.cache.compressed(_WHOLE), self.bytes_end, words)

    def compressed(self, compression: Compression, growth: Growth | None = None) -> Tried:
        """Under a compression. Raises InputError."""
        growth = growth or Growth()

        def make() -> BudgetedCache:
            return growth.aim(self.cache.compressed(compression, growth.every))

        return self._tried(make, singly=growth.every is not None)

    def int8(self) -> Tried:
        """With every entry kept, in eight bits."""
        return self._tried(lambda: Int8Cache(self.cache), singly=False)

    def _tried(self, make: Callable[[], BudgetedCache | Int8Cache], *, singly: bool) -> Tried:
        cache = make()
        if isinstance(cache, BudgetedCache):
            cache.recording = True
        found = forced(self.decoder, self.first, self.tokens, cache, singly=singly)
        quality = compare(self.logits, found, self.tokens)
        if isinstance(cache, BudgetedCache) and self.outputs:
            quality["attention_error"] = attention_errors(self.outputs, _outputs(cache))
        end = cache.kv_bytes()[0]
        if not self.answered:
            return Tried(quality, make(), end, "")
        free = greedy(self.decoder, self.first, self.most, make())
        apart = [place for place, (one, other) in enumerate(zip(free, self.free, strict=False)) if one != other]
        # One that goes on where the other has ended differs there.
        ended = min(len(free), len(self.free)) if len(free) != len(self.free) else None
        quality["first_divergence"] = apart[0] if apart else ended
        return Tried(quality, make(), end, self._words(free))

    def _words(self, tokens: Sequence[int]) -> str:
        return str(self.decoder.tokenizer.decode(tokens, skip_special_tokens=True))


def _outputs(cache: BudgetedCache) -> list[Tensor]:
    """What each layer's attention gave [tokens, heads x d]; none where there was but one token, known before."""
    return [torch.cat(layer.outputs) for layer in cache.budgeted if layer.outputs]

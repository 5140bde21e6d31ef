"""One layer's cache: its entries, where they stood, and what attention they receive."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from medpipe.core.errors import InputError
from medpipe.core.kv.attention_statistics import AttentionStatistics, measure
from medpipe.core.kv.interception import LAYER
from medpipe.core.kv.mergers import fold
from medpipe.core.kv.methods import Method
from medpipe.core.kv.scorers import Entries
from medpipe.core.kv.selection import kept_places, other_places

if TYPE_CHECKING:
    from medpipe.core.kv.budgeted_cache import BudgetedCache


@dataclass(frozen=True, slots=True)
class Compressed:
    """What a compression did to a layer: entries kept, those of images among them as a mean over KV heads, and of what
    was merged the cosine similarities, mean and least."""

    budget: int
    recent: int
    merged: int
    visual: Tensor | None
    similarity: tuple[Tensor, Tensor] | None

    def facts(self) -> dict[str, float | int | None]:
        """Plain numbers, for a record."""
        visual = 0.0 if self.visual is None else float(self.visual)
        mean, least = (None, None) if self.similarity is None else map(float, self.similarity)
        return {
            "kept_text": self.budget - visual, "kept_visual": visual, "kept_recent": self.recent,
            "merged": self.merged, "similarity_mean": mean, "similarity_min": least,
        }  # fmt: skip


class BudgetLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values [1, KV heads, entries, d] of one prompt, in order of position.

    To the model the layer is as long as the tokens that it has seen, so positions go on as if nothing had been dropped.
    """

    is_croppable = False
    keys: Tensor
    values: Tensor

    def __init__(self, owner: BudgetedCache, index: int) -> None:
        super().__init__()
        # The cache holds its layers: the other way a weak hand, that memory be free when the cache goes.
        self._owner = weakref.ref(owner)
        self.index = index
        self._forget()

    def _forget(self) -> None:
        self.seen = 0
        self.budget: int | None = None
        self.statistics: AttentionStatistics | None = None
        self.compressed: Compressed | None = None
        # Of each entry [KV heads, entries]: where its token stood, how many tokens it stands for, attention received.
        self.positions: Tensor | None = None
        self.tokens: Tensor | None = None
        self.received: Tensor | None = None
        self.window: Tensor | None = None
        self.outputs: list[Tensor] = []

    @property
    def owner(self) -> BudgetedCache:
        """The cache that this layer is of."""
        found = self._owner()
        if found is None:
            raise RuntimeError("a layer outlived its cache")
        return found

    @property
    def entries(self) -> int:
        """How many there are now, each for all KV heads."""
        return int(self.keys.shape[-2]) if self.is_initialized else 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """See CacheLayerMixin. Raises InputError for more than one prompt."""
        if key_states.shape[0] != 1:
            raise InputError("batch", f"a budgeted cache holds one prompt, not {key_states.shape[0]}")
        keys, values = super().update(key_states, value_states, *args, **kwargs)
        self.seen += key_states.shape[-2]
        setattr(keys, LAYER, weakref.ref(self))
        return keys, values

    def get_seq_length(self) -> int:
        """Tokens seen, dropped ones too."""
        return self.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """See CacheLayerMixin."""
        return self.entries + query_length, self.seen - self.entries

    def reset(self) -> None:
        """See CacheLayerMixin."""
        super().reset()
        self._forget()

    def crop(self, tokens_to_remove: int) -> None:
        """Raises InputError: what was dropped or merged cannot be taken back."""
        raise InputError("no-crop", "a budgeted cache cannot be cut back")

    def watch(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor | None:
        """Measure attention of queries [1, heads, q, d], where somebody asks; its output, where that comes of it."""
        asked = query.shape[-2]
        if self.seen == asked:
            if not self.owner.watching:
                return None
            visual = self.owner.visual_prompt(asked, key.device)
            found = measure(query[0], key[0], scale, visual, self.owner.rows, value[0])
            self.statistics = found[0]
            self.received, self.window = found[0].received, found[0].window
            return None if found[1] is None else found[1].transpose(0, 1)[None].contiguous()
        if self.owner.every is not None and self.owner.watching:
            self._receive(query[0], key[0], scale)
        return None

    def _receive(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Add the attention of the last queries [heads, q, d] to what entries have received."""
        heads, held, width = key.shape
        asked = query.shape[1]
        scores = torch.bmm(query.float().reshape(heads, -1, width) * scale, key.float().mT).view(heads, -1, asked, held)
        ahead = torch.ones(asked, held, dtype=torch.bool, device=key.device).triu(held - asked + 1)
        given = scores.masked_fill_(ahead, -torch.inf).softmax(-1).sum((1, 2))
        self.received, self.window = (
            given if before is None else given + torch.nn.functional.pad(before, (0, held - before.shape[1]))
            for before in (self.received, self.window)
        )

    def attended(self, output: Tensor) -> None:
        """The attention of this layer is over, its keys and values are free to change."""
        if self.owner.recording:
            self.outputs.append(output[0].flatten(1).float())
        self.owner.layer_attended(self)

    def compress(self, budget: int, method: Method, *, final: bool = True) -> None:
        """Keep `budget` entries of each KV head by a method; all where there are no more.

        What was measured is let go, but where the choice is not `final`.
        """
        self.budget = budget
        if budget < self.entries:
            self._choose(budget, method)
        if final:
            # Attention of the last queries begins anew once entries were chosen by it.
            self.statistics = self.window = None
            going_on = self.owner.every is not None and self.owner.watching
            self.received = self.received if going_on else None

    def _choose(self, budget: int, method: Method) -> None:
        count = self.entries
        entries = self._described(count)
        visual = self.owner.visual_at(entries.positions)
        recent = min(budget, method.recent_entries(budget))
        raised = None if visual is None or not method.text_prior else ~visual
        kept = kept_places(method.scoring.scores(entries), budget, recent, raised)
        similarity = self._keep(kept, count, method)
        self.compressed = Compressed(
            budget, recent,
            merged=0 if similarity is None else count - budget,
            visual=None if visual is None else visual.gather(1, kept).sum(1).float().mean(),
            similarity=None if similarity is None else (similarity.mean(), similarity.amin()),
        )  # fmt: skip

    def _described(self, count: int) -> Entries:
        """Every entry with its position and attention; entries of whom nothing is known yet are added."""
        heads, device = self.keys.shape[1], self.keys.device
        known = 0 if self.positions is None else self.positions.shape[1]
        later = torch.arange(self.seen - count + known, self.seen, dtype=torch.int32, device=device).expand(heads, -1)
        once = torch.ones(heads, count - known, dtype=torch.int32, device=device)
        self.positions = later if self.positions is None else torch.cat([self.positions, later], 1)
        self.tokens = once if self.tokens is None else torch.cat([self.tokens, once], 1)
        nothing = torch.zeros(heads, count, device=device)
        received, window = (nothing if one is None else one for one in (self.received, self.window))
        return Entries(received, window, self.positions, self.index)

    def _keep(self, kept: Tensor, count: int, method: Method) -> Tensor | None:
        """Leave what is kept, with what is dropped merged into it; similarities where there is merging."""
        if self.positions is None or self.tokens is None:
            raise RuntimeError("entries are kept that are not described")
        similarity = None
        if method.merging is None:
            chosen = kept[None, :, :, None].expand(1, -1, -1, self.keys.shape[-1])
            self.keys, self.values = self.keys.gather(2, chosen), self.values.gather(2, chosen)
            self.tokens = self.tokens.gather(1, kept)
        else:
            made = fold(self.keys[0], self.values[0], self.tokens, kept, other_places(kept, count), method.merging)
            self.keys, self.values, self.tokens = made.keys[None], made.values[None], made.tokens
            similarity = made.similarity
        self.positions = self.positions.gather(1, kept)
        self.received, self.window = (
            None if one is None else one.gather(1, kept) for one in (self.received, self.window)
        )
        return similarity

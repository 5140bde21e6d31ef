"""A cache with a budget, in the place of transformers' own: `model.generate(**inputs, past_key_values=cache)`.

The prompt goes through whole. Layers whose budget is known beforehand are compressed as soon as their attention is
over, so that no more than one layer is ever whole. Where budgets depend on what is measured, are nested and nothing is
merged, each further layer takes from those before it: the last choice is what a single one at the end would have been,
and the peak is the budget and one layer. Where dropped entries are merged, or a further layer may give some back, the
final choice must be known: all layers are whole until the last one is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DYNAMIC_LAYER_TYPE_MAPPING, Cache, get_layer_types_and_kwargs

from medpipe.core.errors import InputError, ModelError
from medpipe.core.kv.allocators import LayerEntropy
from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budget_layer import BudgetLayer
from medpipe.core.kv.budgets import exact_budgets, least_budget, requested_total
from medpipe.core.kv.interception import intercept
from medpipe.core.kv.methods import Method

_BUDGETED: Final = "full_attention"
_MOST: Final = 2**31


@dataclass(frozen=True, slots=True)
class Compression:
    """A method, the fraction of entries kept, and, of a plan, the fractions of the layers in their proportion."""

    method: Method
    ratio: float
    fractions: tuple[float, ...] | None = None

    @property
    def beforehand(self) -> bool:
        """Whether the budgets are known before anything is measured."""
        return self.fractions is not None or not self.method.allocation.measured

    def budgets(self, layers: Sequence[LayerEntropy], all_layers: int, entries: int) -> list[int]:
        """Budgets of the first layers, which sum to what is requested of all where they are all. Raises InputError."""
        if self.fractions is not None and len(self.fractions) != all_layers:
            raise InputError("bad-plan", f"a plan of {len(self.fractions)} layers, the model has {all_layers}")
        weights = self.fractions or self.method.allocation.weights(layers, self.ratio)
        total = min(requested_total(self.ratio, entries, all_layers), entries * len(weights))
        return exact_budgets(weights, total, least_budget(entries), entries)


class BudgetedCache(Cache):  # type: ignore[misc]
    """Keys and values of one prompt, compressed after it and, where `every` is given, again while it is continued.

    Args:
        model: whose attention will be intercepted from now on.
        compression: None to measure alone.
        visual: [n], which tokens of the prompt are of an image; None for a prompt without.
        rows: which rows of attention are looked at.
        every: entries that a layer may have beyond its budget before it is compressed to it again.

    Raises:
        ModelError: the model's attention cannot be intercepted, or no layer attends to everything before it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        compression: Compression | None = None,
        visual: Tensor | None = None,
        rows: RowSettings | None = None,
        every: int | None = None,
    ) -> None:
        intercept(model)
        self.model, self.compression, self.every = model, compression, every
        self.rows = rows or RowSettings()
        if compression is not None:
            last_rows = compression.method.scoring.last_rows
            if not last_rows:
                self.rows = replace(self.rows, window=0)
            elif compression.beforehand:
                # Beyond the window nobody asks for more than a row.
                self.rows = replace(self.rows, stride=_MOST)
        self.visual = None if visual is None or not bool(visual.any()) else visual
        kinds, settings = get_layer_types_and_kwargs(model.config.get_text_config(decoder=True))
        # Layers with a window hold no more than it: there is nothing to save.
        self.skipped = {place: kind for place, kind in enumerate(kinds) if kind != _BUDGETED}
        if len(self.skipped) == len(kinds):
            raise ModelError(f"{type(model).__name__} has no layer that attends to everything", unavailable=True)
        super().__init__(layers=[
            BudgetLayer(self, place) if kind == _BUDGETED else DYNAMIC_LAYER_TYPE_MAPPING[kind](**setting)
            for place, (kind, setting) in enumerate(zip(kinds, settings, strict=True))
        ])  # fmt: skip
        self.undecided = compression is not None
        # Whether layers keep what their attention gives, for a comparison.
        self.recording = False

    def reset(self) -> None:
        """See Cache: the next prompt is compressed as the first was."""
        super().reset()
        self.undecided = self.compression is not None

    @property
    def budgeted(self) -> list[BudgetLayer]:
        """The layers that have a budget."""
        return [layer for layer in self.layers if isinstance(layer, BudgetLayer)]

    @property
    def watching(self) -> bool:
        """Whether attention is measured."""
        compression = self.compression
        if compression is None:
            return True
        return compression.method.scoring.measured or not compression.beforehand

    def visual_prompt(self, count: int, device: torch.device) -> Tensor | None:
        """Which tokens of the prompt are of an image [n]. Raises InputError where it is of another length."""
        if self.visual is not None and len(self.visual) != count:
            raise InputError("bad-visual", f"{len(self.visual)} tokens are told apart, the prompt has {count}")
        return None if self.visual is None else self.visual.to(device)

    def visual_at(self, positions: Tensor) -> Tensor | None:
        """Which of the positions hold a token of an image, the same shape; None where the prompt has none."""
        if self.visual is None:
            return None
        visual = self.visual.to(positions.device)
        return visual[positions.long().clamp_max(len(visual) - 1)] & (positions < len(visual))

    def layer_attended(self, layer: BudgetLayer) -> None:
        """Called when a layer's attention is over: compress what can be."""
        compression = self.compression
        if compression is None:
            return
        if not self.undecided:
            self._shorten(layer, compression)
            return
        layers = self.budgeted
        done = [one for one in layers if one.index <= layer.index]
        last = layer is layers[-1]
        if compression.beforehand:
            budget = compression.budgets([_BLANK] * len(layers), len(layers), layer.seen)[len(done) - 1]
            self.undecided = not last
            layer.compress(budget, compression.method)
        elif last:
            self.compress()
        elif compression.method.merging is None and compression.method.allocation.nested:
            # One more than due: the last choice may round up what an earlier one rounded down.
            for one, budget in zip(done, self._budgets(compression, done, len(layers)), strict=True):
                one.compress(min(budget + 1, one.seen), compression.method, final=False)

    def _budgets(self, compression: Compression, layers: list[BudgetLayer], count: int) -> list[int]:
        return compression.budgets(self.entropies(layers), count, layers[0].seen)

    def _shorten(self, layer: BudgetLayer, compression: Compression) -> None:
        if self.every is not None and layer.budget is not None and layer.entries - layer.budget >= self.every:
            layer.compress(layer.budget, compression.method)

    def compress(self) -> None:
        """Choose for all layers now. Raises InputError where the method needs what was not measured."""
        compression, layers = self.compression, self.budgeted
        if compression is None:
            raise ValueError("a cache without a compression has no budget")
        if compression.beforehand:
            budgets = compression.budgets([_BLANK] * len(layers), len(layers), layers[0].seen)
        else:
            budgets = self._budgets(compression, layers, len(layers))
        self.undecided = False
        for layer, budget in zip(layers, budgets, strict=True):
            layer.compress(budget, compression.method)

    def entropies(self, layers: Sequence[BudgetLayer] | None = None) -> list[LayerEntropy]:
        """What allocators see. Raises InputError where nothing was measured."""
        return [_entropy(layer) for layer in layers or self.budgeted]

    def compressed(self, compression: Compression, every: int | None = None) -> BudgetedCache:
        """A copy of a measured cache, compressed; this one stays whole. Raises InputError."""
        made = self._copied(compression, every)
        made.compress()
        return made

    def _copied(self, compression: Compression | None, every: int | None) -> BudgetedCache:
        made = BudgetedCache(self.model, compression, self.visual, self.rows, every)
        for place, layer in enumerate(self.layers):
            _share(layer, made.layers[place])
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> BudgetedCache:
        """For another continuation of the same prompt; the model is the same."""
        made = self._copied(self.compression, self.every)
        made.undecided, made.recording = self.undecided, self.recording
        return made

    def kv_bytes(self) -> tuple[int, int]:
        """Bytes of keys and values of all layers, and those of what goes with them: positions, counts, attention."""
        pairs = [(layer.keys, layer.values) for layer in self.layers if layer.is_initialized]
        beside = [
            one
            for layer in self.budgeted
            for one in (layer.positions, layer.tokens, layer.received, layer.window)
            if one is not None
        ]
        return sum(_bytes(one) for pair in pairs for one in pair), sum(map(_bytes, beside))


# What an allocator is told that measures nothing.
_BLANK: Final = LayerEntropy(0.0, None)


def _entropy(layer: BudgetLayer) -> LayerEntropy:
    if layer.statistics is None:
        raise InputError("not-measured", "the method needs the prompt's attention, and it was not measured")
    crossed = float(layer.statistics.cross_modal.mean())
    return LayerEntropy(float(layer.statistics.entropy.mean()), None if crossed != crossed else crossed)


def _share(layer: Any, made: Any) -> None:
    """The same entries in another layer: tensors are shared, since a layer replaces and never changes them."""
    for name, value in vars(layer).items():
        if name not in ("_owner", "index", "outputs"):
            setattr(made, name, value)


def _bytes(tensor: Tensor) -> int:
    return int(tensor.untyped_storage().nbytes())

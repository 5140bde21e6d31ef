"""Keys and values of what a language model has read, in room that is taken once: no token copies those before it."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values [batch, heads, read, width], views of room for `places`; with more it grows.

    transformers' own layer joins all it has with each new token.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self._places = places

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Takes the room for states of this shape."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self._rooms = [_room(states, self._places) for states in (key_states, value_states)]
        self.keys, self.values = (room[:, :, :0] for room in self._rooms)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """All keys and values, the new ones last."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[2]
        if after > self._rooms[0].shape[2]:
            grown = [_room(room, 2 * after) for room in self._rooms]
            for new, states in zip(grown, (self.keys, self.values), strict=True):
                new[:, :, :before] = states
            self._rooms = grown
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, before:after] = states
        self.keys, self.values = (room[:, :, :after] for room in self._rooms)
        return self.keys, self.values


def _room(states: Tensor, places: int) -> Tensor:
    batch, heads, _, width = states.shape
    return states.new_empty(batch, heads, places, width)


def roomy_cache(model: Any, places: int) -> Cache:
    """What a model's configuration asks for, its layers of full attention with room for `places` tokens."""
    made = DynamicCache(config=model.config)
    # Layers of other kinds, a sliding window for instance, do not grow.
    made.layers = [RoomyLayer(places) if type(layer) is DynamicLayer else layer for layer in made.layers]
    return made

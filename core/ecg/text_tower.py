"""Any English text to a unit vector: the sentence embedder all-MiniLM-L6-v2, packed to four bits, in numpy.

The weights are those of the published model, each row of a matrix cut into groups that share a scale and a
lowest value; nothing was trained. Of its vocabulary the frequent words, those of the clinic and all
pieces that continue a word are kept, single ASCII characters among them, so that any word can be spelt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.errors import InputError, ModelError

LAYERS: Final = 6
HEADS: Final = 12
LONGEST: Final = 128
_EPSILON: Final = 1e-12

Array = NDArray[np.float32]


def pack(weight: Array, group: int) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """A matrix [rows, columns] as nibbles [rows, columns / 2] and (scale, lowest) [rows, columns / group, 2].

    Of several narrowings of each group's range the one with the least squared error is taken.
    """
    groups = weight.reshape(len(weight), -1, group)
    low, high = groups.min(-1, keepdims=True), groups.max(-1, keepdims=True)
    best = np.full(low.shape, np.inf, np.float32)
    codes = np.zeros(groups.shape, np.uint8)
    ranges = np.zeros((*groups.shape[:2], 2), np.float16)
    for narrow_low in (0.0, 0.05, 0.1, 0.15):
        for narrow_high in (0.0, 0.05, 0.1, 0.15):
            start = (low + narrow_low * (high - low)).astype(np.float16)
            step = ((high - low) * (1 - narrow_low - narrow_high) / 15).astype(np.float16)
            wide = np.maximum(step.astype(np.float32), 1e-8)
            code = np.clip(np.rint((groups - start.astype(np.float32)) / wide), 0, 15)
            error = np.square(code * step.astype(np.float32) + start - groups).sum(-1, keepdims=True)
            better = error < best
            best = np.where(better, error, best)
            codes = np.where(better, code.astype(np.uint8), codes)
            ranges = np.where(better, np.concatenate([step, start], axis=-1), ranges)
    flat = codes.reshape(len(weight), -1)
    nibbles: NDArray[np.uint8] = flat[:, 0::2] | flat[:, 1::2] << np.uint8(4)
    return nibbles, ranges


def unpack(nibbles: NDArray[np.uint8], ranges: NDArray[np.float16]) -> Array:
    """The inverse of `pack`, [rows, columns]."""
    codes = np.empty((len(nibbles), 2 * nibbles.shape[1]), np.float32)
    codes[:, 0::2] = nibbles & 15
    codes[:, 1::2] = nibbles >> 4
    groups = codes.reshape(*ranges.shape[:2], -1)
    groups *= ranges[..., :1]
    groups += ranges[..., 1:]
    return codes


class TextTower:
    """Text to a unit vector [384]; every text is read on its own."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], tokenizer: Path) -> None:
        """`weights` as the shipped file holds them, names of BERT with `.nibbles` and `.ranges` where packed."""
        from tokenizers import Tokenizer

        self._words = weights["word.nibbles"], weights["word.ranges"]
        self._positions = weights["position"].astype(np.float32)
        self._norm = weights["norm.weight"].astype(np.float32), weights["norm.bias"].astype(np.float32)
        self._layers = [_Layer(weights, f"layer{k}.") for k in range(LAYERS)]
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        if self._tokenizer.get_vocab_size() != len(self._words[0]):
            raise ModelError(f"{tokenizer} does not belong to these text weights")

    def encode(self, text: str) -> Array:
        """The vector [384] of one text, of which the first 126 pieces count. Raises InputError (`empty-query`)."""
        if not text.strip():
            raise InputError("empty-query", "a query is empty; give some text")
        ids = self._tokenizer.encode(text).ids
        if len(ids) > LONGEST:
            ids = [*ids[: LONGEST - 1], ids[-1]]
        hidden = unpack(self._words[0][ids], self._words[1][ids]) + self._positions[: len(ids)]
        hidden = _normalised(hidden, *self._norm)
        for layer in self._layers:
            hidden = layer(hidden)
        mean: Array = hidden.mean(axis=0)
        unit: Array = mean / np.sqrt(np.square(mean).sum())
        return unit


class _Layer:
    """One post-norm BERT layer."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], prefix: str) -> None:
        def matrix(name: str) -> Array:
            return unpack(weights[f"{prefix}{name}.nibbles"], weights[f"{prefix}{name}.ranges"]).T

        def vector(name: str) -> Array:
            return weights[prefix + name].astype(np.float32)

        self._qkv, self._qkv_bias = matrix("qkv"), vector("qkv.bias")
        self._mix, self._mix_bias = matrix("mix"), vector("mix.bias")
        self._up, self._up_bias = matrix("up"), vector("up.bias")
        self._down, self._down_bias = matrix("down"), vector("down.bias")
        self._mix_norm = vector("mix_norm.weight"), vector("mix_norm.bias")
        self._down_norm = vector("down_norm.weight"), vector("down_norm.bias")

    def __call__(self, x: Array) -> Array:
        """[n, 384] -> [n, 384]."""
        n, width = x.shape
        qkv = (x @ self._qkv + self._qkv_bias).reshape(n, 3, HEADS, width // HEADS).transpose(1, 2, 0, 3)
        attention = qkv[0] @ qkv[1].transpose(0, 2, 1) / np.float32(np.sqrt(width // HEADS))
        attention = np.exp(attention - attention.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        mixed = (attention @ qkv[2]).transpose(1, 0, 2).reshape(n, width)
        x = _normalised(x + mixed @ self._mix + self._mix_bias, *self._mix_norm)
        inner = _gelu(x @ self._up + self._up_bias)
        return _normalised(x + inner @ self._down + self._down_bias, *self._down_norm)


def _normalised(x: Array, weight: Array, bias: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt(np.square(centred).mean(-1, keepdims=True) + np.float32(_EPSILON))
    scaled: Array = centred / scale * weight + bias
    return scaled


def _gelu(x: Array) -> Array:
    """x times the normal distribution function, by formula 7.1.26 of Abramowitz and Stegun: within 2e-7."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = np.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly = (poly + np.float32(coefficient)) * t
    upper = poly * np.exp(-z * z) / 2
    weighted: Array = x * np.where(x >= 0, 1 - upper, upper)
    return weighted

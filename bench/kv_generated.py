"""Bytes of a budgeted cache once 500 tokens are generated after a prompt of 4500, measured from its tensors.

A tiny Qwen2-VL with random weights; half of the prompt is of images. Of each method the storage of all keys and values
of all layers at the end, the generated tokens' too, over that of transformers' own cache; what goes with them
(positions, counts of tokens) is told apart, as a share of the same.

Usage: python bench/kv_generated.py
"""

from __future__ import annotations

import numpy as np
from transformers import Cache, DynamicCache

from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.continuation import forced, prefill
from medpipe.core.kv.decoder import Decoder, open_decoder
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.prompts import Prompt

PROMPT, GENERATED, RATIO, IMAGES, BAR = 4500, 500, 0.2, 16, 28.1


def make_prompt(decoder: Decoder) -> Prompt:
    """Images, and as many letters as fill it up."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (192, 192, 3)).astype(np.uint8) for _ in range(IMAGES)]
    short = decoder.prompts.encode("a", images).tokens
    letters = rng.integers(97, 123, PROMPT - short + 1).astype(np.uint8).tobytes().decode()
    return decoder.prompts.encode(letters, images)


def storage(cache: Cache) -> int:
    """Bytes that keys and values hold."""
    return sum(one.untyped_storage().nbytes() for layer in cache.layers for one in (layer.keys, layer.values))


def main() -> None:
    decoder = open_decoder("smoke")
    prompt = make_prompt(decoder)
    # One more than goes in: before the last token nothing is read.
    tokens = [97 + place % 26 for place in range(GENERATED + 1)]

    def grown(cache: Cache) -> int:
        forced(decoder, prefill(decoder, prompt, cache), tokens, cache, singly=True)
        return storage(cache)

    full = grown(DynamicCache())
    print(f"{prompt.tokens} tokens, {int(prompt.visual.sum())} of them of images; full cache {full} bytes.\n")
    print("| method, ratio 0.2 | keys and values, bytes | of the full cache's, % | beside them, % | bar |")
    print("| --- | --- | --- | --- | --- |")
    for method in METHODS.values():
        cache = BudgetedCache(decoder.model, Compression(method, RATIO), prompt.visual)
        held = grown(cache)
        beside = cache.kv_bytes()[1]
        print(f"| {method.name} | {held} | {100 * held / full:.2f} | {100 * beside / full:.2f} | {BAR} |")


if __name__ == "__main__":
    main()

"""A method of core.kv on prompts: the other side of kvpress_worker.py, with the lines of kv_lines.py.

Usage: python bench/kv_worker.py MODEL_FOLDER METHOD RATIO [STRIDE [WHICH]] < prompts.jsonl > answers.jsonl

METHOD is a name of core.kv.methods, `statistics` (measured, and nothing dropped) or `full` (transformers' own cache and
attention). Every STRIDE-th row is looked at. WHICH: `causal` for entropies over the keys that a row sees. A prompt of
`input_ids` may have `"visual": [first, last]`, the tokens that stand for an image.
"""

from __future__ import annotations

import contextlib
import sys
from contextlib import AbstractContextManager
from typing import Any

import torch
from kv_lines import Asked, load, serve, timed
from safetensors.torch import load_file
from torch import Tensor
from transformers import Cache, DynamicCache

from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budget_layer import BudgetLayer
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.prompts import visual_tokens


def marked(model: Any, asked: Asked) -> Tensor:
    """Which tokens are of an image [n]."""
    if "tensors" in asked:
        return visual_tokens(model.config, load_file(asked["tensors"])["input_ids"][0])
    first, last = asked.get("visual", (0, 0))
    places = torch.arange(len(asked["input_ids"]))
    return (places >= first) & (places < last)


def main() -> None:
    folder, name, ratio, *more = sys.argv[1:]
    rows = RowSettings(stride=int(more[0]) if more else 1, causal="causal" in more)
    compression = None if name in ("full", "statistics") else Compression(METHODS[name], float(ratio))
    model = load(folder)
    for name_of_own in ("watch", "attended"):
        setattr(BudgetLayer, name_of_own, timed(getattr(BudgetLayer, name_of_own)))

    def opened(asked: Asked) -> tuple[Cache, AbstractContextManager[Any]]:
        own = name == "full"
        cache = DynamicCache() if own else BudgetedCache(model, compression, marked(model, asked), rows)
        return cache, contextlib.nullcontext()

    serve(model, opened, lambda cache: [layer.statistics.received for layer in cache.budgeted])


if __name__ == "__main__":
    main()

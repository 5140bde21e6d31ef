"""A press of kvpress on prompts, in an environment of its own; lines in and out are those of kv_lines.py.

Usage: ENV/bin/python bench/kvpress_worker.py MODEL_FOLDER PRESS RATIO < prompts.jsonl > answers.jsonl

The environment: `python -m venv ENV; ENV/bin/pip install kvpress==0.5.5 transformers==5.2.0 torch==2.13.0`. Nothing of
medpipe is needed there. PRESS is the name of a class of kvpress without `Press`, one around another in brackets
(`SnapKV`, `Merging(Knorm)`), or `full`. RATIO is the fraction KEPT, as everywhere here; kvpress takes 1 - RATIO.
Attention is sdpa, but eager for a press that reads it whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

# Also where no press is used: its memory is no press's.
import kvpress
from kv_lines import Asked, load, serve, timed
from torch import Tensor
from transformers import Cache, DynamicCache

EAGER = ("ObservedAttention",)


def make_press(name: str, removed: float, layers: int) -> Any:
    """`Knorm` or `Merging(Knorm)`."""
    outer, _, inner = name.removesuffix(")").partition("(")
    kind = getattr(kvpress, f"{outer}Press")
    if not inner:
        return kind(compression_ratio=removed)
    if "compression_ratios" in {one.name for one in dataclasses.fields(kind)}:
        return kind(make_press(inner, 0.0, layers), [removed] * layers)
    return kind(make_press(inner, removed, layers))


def listen(score: Callable[..., Tensor], kept: list[Tensor]) -> Callable[..., Tensor]:
    """A press's score that also leaves what it found: of each layer [KV heads, n], of the last prompt."""

    def scored(module: Any, *given: Any) -> Tensor:
        found = score(module, *given)
        del kept[module.layer_idx :]
        kept.append(found[0])
        return found

    return scored


def main() -> None:
    logging.disable(logging.WARNING)
    folder, name, ratio = sys.argv[1:]
    model = load(folder, "eager" if any(one in name for one in EAGER) else "sdpa")
    layers = model.config.get_text_config(decoder=True).num_hidden_layers
    press = None if name == "full" else make_press(name, 1 - float(ratio), layers)
    if press is not None:
        press.forward_hook = timed(press.forward_hook)
    scores: list[Tensor] = []
    if hasattr(press, "score"):
        press.score = listen(press.score, scores)

    def opened(asked: Asked) -> tuple[Cache, AbstractContextManager[Any]]:
        return DynamicCache(), contextlib.nullcontext() if press is None else press(model)

    serve(model, opened, lambda _: scores)


if __name__ == "__main__":
    main()

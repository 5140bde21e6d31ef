"""Prompts in JSON Lines read by a model into a cache, one line out for each: what both sides of a comparison run.

A prompt is `{"id", "input_ids": [...]}`, or `{"id", "tensors": "file.safetensors"}` with what the model's forward
takes; `"tokens": 8` how many to say after it, greedily (without it the prompt is read alone); `"after": [...]` tokens
that are forced on the model before that, one by one, once the cache is compressed; `"sums": "file.safetensors"` where
what each layer's keys receive is left.

Answers: `id`, `generated`, `prefill_cpu_s` and `prefill_s`, `own_cpu_s` of these in what is `timed`, `peak_bytes` of
the process while it read the prompt,
`lengths` of the layers and `kv_bytes` after it, `kv_bytes_end`; or `id` and `error`. The process ends with its input.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, Cache
from transformers.utils.logging import disable_progress_bar

Asked = dict[str, Any]
# Of a prompt a cache to read it into, and in what it is read; of a cache its layers' sums.
Opened = Callable[[Asked], tuple[Cache, AbstractContextManager[Any]]]
Sums = Callable[[Cache], list[Tensor]]


# Seconds that timed functions have taken.
_own = [0.0]


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, its CPU time told in answers. None of them calls another."""

    def call(*given: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return function(*given, **named)
        finally:
            _own[0] += time.process_time() - start

    return call


def load(folder: str, attention: str = "sdpa") -> Any:
    """A decoder in float32."""
    disable_progress_bar()
    config = AutoConfig.from_pretrained(folder)
    kind = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention).eval()


def serve(model: Any, opened: Opened, sums: Sums) -> None:
    """Answer lines as they come, until there are no more."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = _answer(model, asked, opened, sums)
        # Whatever a method does to a model that it does not know is a result here.
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            found = {"error": f"{type(error).__name__}: {first[:200]}"}
        print(json.dumps({"id": asked.get("id")} | found), flush=True)


@torch.inference_mode()
def _answer(model: Any, asked: Asked, opened: Opened, sums: Sums) -> dict[str, Any]:
    inputs = _inputs(model, asked)
    # Models with positions in three dimensions remember those of the prompt before.
    shifted = [part for part in model.modules() if hasattr(part, "rope_deltas")]
    for part in shifted:
        part.rope_deltas = None
    cache, reading = opened(asked)
    Path("/proc/self/clear_refs").write_text("5")
    _own[0] = 0.0
    start = time.process_time(), time.perf_counter()
    with reading:
        logits = model(**inputs, past_key_values=cache, logits_to_keep=1).logits[0, -1]
    spent = time.process_time() - start[0], time.perf_counter() - start[1]
    found = {
        "prefill_cpu_s": spent[0], "prefill_s": spent[1], "own_cpu_s": _own[0], "peak_bytes": _peak(),
        "kv_bytes": _bytes(cache),
        "lengths": [layer.keys.shape[-2] for layer in cache.layers],
    }  # fmt: skip
    if "sums" in asked:
        save_file({str(place): one.contiguous() for place, one in enumerate(sums(cache))}, asked["sums"])
    place = inputs["input_ids"].shape[1] + sum(int(part.rope_deltas) for part in shifted)
    said = _said(model, logits, cache, place, asked)
    return {"generated": said, **found, "kv_bytes_end": _bytes(cache)}


def _inputs(model: Any, asked: Asked) -> dict[str, Tensor]:
    """What this version's forward knows of what is given."""
    if "tensors" not in asked:
        return {"input_ids": torch.tensor([asked["input_ids"]])}
    known = inspect.signature(model.forward).parameters
    return {name: one for name, one in load_file(asked["tensors"]).items() if name in known}


def _said(model: Any, logits: Tensor, cache: Cache, place: int, asked: Asked) -> list[int]:
    """Each token at its own place: a shortened cache may tell the model another."""
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    axes = (3, 1, 1) if any(hasattr(part, "rope_deltas") for part in model.modules()) else (1, 1)
    after, said = asked.get("after", []), []
    for step in range(len(after) + asked.get("tokens", 0)):
        token = after[step] if step < len(after) else int(logits.argmax())
        positions = torch.full(axes, place + step)
        logits = model(input_ids=torch.tensor([[token]]), position_ids=positions, past_key_values=cache).logits[0, -1]
        if step >= len(after):
            said.append(token)
            if token in ends:
                break
    return said


def _bytes(cache: Cache) -> int:
    pairs = [one for layer in cache.layers for one in (layer.keys, layer.values)]
    return sum(one.untyped_storage().nbytes() for one in pairs)


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

"""Which methods for a cache work on Qwen2-VL: all of core.kv here, and presses of kvpress.

A tiny Qwen2-VL with random weights reads four images and a question, its cache is cut to 0.2, and it says eight tokens.
`yes`: it did, and the keys and values held afterwards are no more than that share of the full cache's and those of the
eight tokens. kvpress 0.5.5 runs with the transformers that it asks for, 5.2.0, and with the version installed here.

Usage: KVPRESS_PYTHON=ENV/bin/python KVPRESS_NEWER=FOLDER python bench/kv_coverage.py, ENV as kvpress_worker.py says,
FOLDER by `ENV/bin/pip install --target FOLDER transformers==VERSION` of the version installed here
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from kv_process import Worker, ours, theirs
from safetensors.torch import save_file

from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.smoke import byte_tokenizer, smoke_model, smoke_prompts

NEWER = os.environ.get("KVPRESS_NEWER", "kvpress-newer")
PRESSES = (
    "Knorm", "StreamingLLM", "KeyDiff", "Merging(Knorm)", "ObservedAttention", "PerLayerCompression(Knorm)",
    "AdaKV(Knorm)", "SnapKV", "PyramidKV", "ExpectedAttention", "TOVA",
)  # fmt: skip
RATIO, SAID = 0.2, 8
QUESTION = "Which of the four images is the brightest, and what is to be seen in the one before it?"


def save_prompt(folder: Path) -> str:
    """The model, and a prompt with its images for it."""
    model = smoke_model()
    model.save_pretrained(folder)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (160, 160, 3)).astype(np.uint8) for _ in range(4)]
    prompt = smoke_prompts(byte_tokenizer(), model.config).encode(QUESTION, images)
    place = folder / "prompt.safetensors"
    save_file({name: one.contiguous() for name, one in prompt.inputs.items()}, place)
    print(f"{prompt.tokens} tokens, {int(prompt.visual.sum())} of them of images.\n")
    return str(place)


def verdict(worker: Worker, prompt: str, full: dict[str, Any]) -> str:
    """How it went."""
    found = worker.ask(tensors=prompt, tokens=SAID)
    worker.end()
    print(found, file=sys.stderr)
    if "error" in found:
        return f"no: {found['error'][:90]}"
    grown = full["kv_bytes_end"] - full["kv_bytes"]
    return "yes" if found["kv_bytes_end"] <= RATIO * full["kv_bytes"] + grown + 1024 else "no: the cache stays whole"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompt = save_prompt(folder)
        worker = ours(folder, "full", "1")
        full = worker.ask(tensors=prompt, tokens=SAID)
        worker.end()
        here = version("transformers")
        print(f"| method | transformers 5.2.0 | transformers {here} |\n| --- | --- | --- |")
        counts = [0, 0]
        for press in PRESSES:
            told = [verdict(theirs(folder, press, str(RATIO), newer), prompt, full) for newer in ("", NEWER)]
            counts = [count + (one == "yes") for count, one in zip(counts, told, strict=True)]
            print(f"| kvpress {press} | {' | '.join(told)} |")
        print(f"| kvpress, {len(PRESSES)} presses | {counts[0]} work | {counts[1]} work |")
        own = {method: verdict(ours(folder, method, str(RATIO)), prompt, full) for method in METHODS}
        for method, told in own.items():
            print(f"| core.kv {method} | | {told} |")
        print(f"| core.kv, {len(own)} methods | | {list(own.values()).count('yes')} work |")


if __name__ == "__main__":
    main()

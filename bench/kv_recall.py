"""Recall under a budgeted cache: accuracy on key-value recall among image tokens, beside kvpress's presses.

Usage: python bench/kv_recall.py [FOLDER] [--python ENV/bin/python] [--requests N], after `make recall`

FOLDER is what `make recall` leaves: a small LLaVA, and prompts that it has not seen: six pictures of 64 tiles, of which
four a picture say a letter and a digit, and a question which digit is beside a letter. Right is the whole answer, the
letter, the digit and the end; the letter comes from the prompt's last token, before anything is dropped, the digit from
the compressed cache. Chance is a digit guessed. With the python of kvpress's environment (bench/kvpress_worker.py says
how it is made) its presses read the same prompts with the same weights, and keep the same fraction of every layer; a
press that fails is told with its reason. Intervals: 1,000 bootstrap draws of prompts, seed 0; differences are paired.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import Compression
from medpipe.core.kv.continuation import greedy
from medpipe.core.kv.decoder import Decoder, open_decoder
from medpipe.core.kv.int8_cache import Int8Cache
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.prompts import Prompt
from medpipe.core.kv.sweep import measured
from medpipe.core.metrics.bootstrap import mean_interval

RATIOS = (0.5, 0.2, 0.1, 0.05)
# At which kvpress is asked, and compared with.
BARS = (0.2, 0.1)
OTHERS = [("meda", merger) for merger in ("none", "pivot", "weighted", "value-only")]
OTHERS += [("snapkv", merger) for merger in ("average", "value-only")]
PRESSES = (
    "SnapKV", "PyramidKV", "TOVA", "ExpectedAttention", "ObservedAttention", "Knorm", "KeyDiff", "StreamingLLM",
    "Merging(Knorm)", "Random",
)  # fmt: skip
TOKENS = 3
WORKER = Path(__file__).with_name("kvpress_worker.py")
# Of each row, at each ratio: whether each prompt was answered.
Right = dict[str, dict[float, list[float]]]


def prompts(decoder: Decoder, folder: Path, count: int) -> Iterator[tuple[Prompt, list[int]]]:
    """Prompts with the tokens of their answers, the end among them."""
    with (folder / "requests.jsonl").open() as lines:
        for _, line in zip(range(count), lines, strict=False):
            record = json.loads(line)
            made = decoder.prompts.encode(record["prompt"], [_pixels(one["image"]) for one in record["images"]])
            answer = decoder.tokenizer(record["answer"], add_special_tokens=False)["input_ids"]
            yield made, [*answer, decoder.tokenizer.eos_token_id]


def _pixels(image: dict[str, Any]) -> Any:
    import pybase64

    return np.frombuffer(pybase64.b64decode(image["b64"]), np.uint8).reshape(image["shape"])


def ours(decoder: Decoder, given: list[tuple[Prompt, list[int]]]) -> Right:
    methods = [*METHODS.values(), *(METHODS[name].merged_by(merger) for name, merger in OTHERS)]
    right: Right = {"full": {1.0: []}, "int8": {1.0: []}} | {
        one.name: {ratio: [] for ratio in RATIOS} for one in methods
    }
    whole = Compression(METHODS["recent"], 1.0)
    for prompt, answer in given:
        cache, first = measured(decoder, prompt, RowSettings())

        def says(made: Any, answer: list[int] = answer, first: Any = first) -> float:
            return float(greedy(decoder, first, TOKENS, made) == answer)

        right["full"][1.0].append(says(cache.compressed(whole)))
        right["int8"][1.0].append(says(Int8Cache(cache)))
        for method in methods:
            for ratio in RATIOS:
                right[method.name][ratio].append(says(cache.compressed(Compression(method, ratio))))
    return right


def theirs(python: str, folder: Path, given: list[tuple[Prompt, list[int]]]) -> tuple[Right, dict[str, str]]:
    """Of each press what is right, or why it cannot be said."""
    right: Right = {}
    reasons: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        _as_before(folder, Path(scratch))
        asked = ""
        for number, (prompt, _) in enumerate(given):
            place = f"{scratch}/{number}.safetensors"
            save_file({name: one.contiguous() for name, one in prompt.inputs.items()}, place)
            asked += json.dumps({"id": number, "tensors": place, "tokens": TOKENS}) + "\n"
        for press in ("full", *PRESSES):
            for ratio in (1.0,) if press == "full" else BARS:
                answers = _answers([python, str(WORKER), scratch, press, str(ratio)], asked)
                failed = next((one["error"] for one in answers if "error" in one), None)
                if failed is not None:
                    reasons[press] = failed
                    break
                said = [float(one["generated"] == answer) for one, (_, answer) in zip(answers, given, strict=True)]
                right.setdefault(f"kvpress {press}", {})[ratio] = said
    return right, reasons


def _as_before(folder: Path, out: Path) -> None:
    """The model with its weights named as transformers 5.2.0 knows them: the vision tower's were one level deeper."""
    weights = load_file(folder / "model.safetensors")
    tower = "vision_tower."
    named = {name.replace(tower, f"{tower}vision_model."): one for name, one in weights.items()}
    save_file(named, out / "model.safetensors", {"format": "pt"})
    for name in ("config.json", "generation_config.json"):
        shutil.copy(folder / name, out)


def _answers(command: list[str], asked: str) -> list[dict[str, Any]]:
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        return [{"error": (done.stderr.strip().splitlines() or ["no reason"])[-1]}]
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(name: str, found: dict[float, list[float]]) -> str:
    cells = [_cell(found[ratio], "{:.3f}") if ratio in found else "" for ratio in (1.0, *RATIOS)]
    return f"| {name} | {' | '.join(cells)} |"


def _cell(values: list[float], shape: str) -> str:
    low, high = mean_interval(values) or (np.nan, np.nan)
    return f"{shape} [{shape}, {shape}]".format(np.mean(values), low, high)


def differences(right: Right, one: str, other: str) -> str:
    pairs = {ratio: np.subtract(right[one][ratio], right[other][ratio]).tolist() for ratio in RATIOS}
    return f"| {one} - {other} |  | {' | '.join(_cell(pairs[ratio], '{:+.3f}') for ratio in RATIOS)} |"


def best(right: Right, ratio: float, peer: bool) -> str:
    """Of ours, or of kvpress's presses, what has most right."""
    names = [name for name in right if name.startswith("kvpress") == peer and ratio in right[name]]
    return max(names, key=lambda name: float(np.mean(right[name][ratio])))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1] / "out/recall")
    parser.add_argument("--python", default=os.environ.get("KVPRESS_PYTHON"))
    parser.add_argument("--requests", type=int, default=240)
    options = parser.parse_args()
    torch.set_num_threads(1)
    decoder = open_decoder(str(options.folder))
    given = list(prompts(decoder, options.folder, options.requests))
    lengths = sorted({prompt.tokens for prompt, _ in given})
    print(f"{len(given)} prompts of {' or '.join(map(str, lengths))} tokens.\n")
    print(f"| cache | full | {' | '.join(map(str, RATIOS))} |\n|{' --- |' * (2 + len(RATIOS))}")
    right = ours(decoder, given)
    print(f"| chance | 0.1 |{' 0.1 |' * len(RATIOS)}")
    print("\n".join(row(name, found) for name, found in right.items()), flush=True)
    reasons: dict[str, str] = {}
    if options.python:
        added, reasons = theirs(options.python, options.folder, given)
        right |= added
        print("\n".join(row(name, found) for name, found in added.items()))
    print("\n".join(differences(right, "meda", other) for other in ("uniform", "random", "snapkv")))
    if options.python:
        for ratio in BARS:
            one, other = best(right, ratio, peer=False), best(right, ratio, peer=True)
            apart = np.subtract(right[one][ratio], right[other][ratio]).tolist()
            print(f"\nAt {ratio}: best {one}, of kvpress {other}; the difference is {_cell(apart, '{:+.3f}')}.")
    for press, reason in reasons.items():
        print(f"\nkvpress {press} does not run: {reason}")


if __name__ == "__main__":
    main()

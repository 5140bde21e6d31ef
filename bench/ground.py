"""Florence-2 at base size, an image of 768 x 768 on one core: `ground`'s way against transformers' own call.

Random weights, whose words written are not those read, so that both write all the tokens they may: the same ones,
checked. transformers: its class asked as its documentation shows, pixels and prompt in for each finding. Ours: the
image encoded once, findings asked for together, presence too. Resizing and normalising are in neither. Best of ROUNDS,
taken in turns.

Usage: python bench/ground.py
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from medpipe.core.vision.florence import MEAN, SPREAD, Decoding, Florence
from medpipe.core.vision.florence_new import new_florence
from medpipe.core.vision.grounding_prompt import grounding_prompt

SIDE, ROUNDS, TOKENS = 768, 3, 12
FINDINGS = ("pleural effusion", "cardiomegaly", "nodule or mass", "rib fracture")


def model() -> Florence:
    made = new_florence("base", side=SIDE)
    shape = made.model.lm_head.weight.shape
    made.model.lm_head.weight = torch.nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    return made


def theirs(florence: Florence, plain: Any, pixels: np.ndarray, names: list[str], beams: int) -> list[list[int]]:
    """A call for each finding."""
    found = []
    values = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    values = (values - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(SPREAD).view(1, 3, 1, 1)
    mark = florence.tokenizer.convert_tokens_to_ids("<image>")
    for name in names:
        text = florence.tokenizer(grounding_prompt(name, None, "plain"), return_tensors="pt")["input_ids"]
        ids = torch.cat([torch.full((1, 577), mark), text], dim=1)
        with torch.no_grad():
            made = plain.generate(
                input_ids=ids, pixel_values=values, attention_mask=torch.ones_like(ids), num_beams=beams,
                max_new_tokens=TOKENS, do_sample=False,
            )  # fmt: skip
        found.append(made[0, 1:].tolist())
    return found


def ours(florence: Florence, pixels: np.ndarray, names: list[str], beams: int) -> list[str]:
    image = florence.encode(pixels)
    prompts = [grounding_prompt(name, None, "plain") for name in names]
    return [answer.text for answer in florence.ask(image, prompts, names, Decoding(beams, TOKENS))]


def seconds(call: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def main() -> None:
    torch.set_num_threads(1)
    florence = model()
    # As transformers lays out the weights.
    plain = copy.deepcopy(florence.model).to(memory_format=torch.contiguous_format)
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    print("| findings | beams | transformers, images a minute | ground | times |\n| --- | --- | --- | --- | --- |")
    for count in (1, 4):
        for beams in (1, 3):
            names = list(FINDINGS[:count])
            expected = [florence.tokenizer.decode(one) for one in theirs(florence, plain, pixels, names, beams)]
            if [one.replace("<pad>", "") for one in ours(florence, pixels, names, beams)] != expected:
                raise SystemExit("the two do not write the same")
            spent: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                spent[0].append(seconds(theirs, florence, plain, pixels, names, beams))
                spent[1].append(seconds(ours, florence, pixels, names, beams))
            their, own = min(spent[0]), min(spent[1])
            print(f"| {count} | {beams} | {60 / their:.2f} | {60 / own:.2f} | {their / own:.2f} |", flush=True)


if __name__ == "__main__":
    main()

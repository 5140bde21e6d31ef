"""Text behind prompts of 100 vectors, GPT-2's shape on one core: `fmri-decode`'s way against two others.

re-feed: BP-GPT's released loop, which feeds prompt and text again for each token, window by window.
transformers: `generate(inputs_embeds=...)` on the same batch. Random weights, whose words written are not those read,
so that all write as many tokens as they may: the same ones, checked. Best of five rounds in which two take turns; the
first is measured once.

Usage: python bench/fmri_decode.py [LAYERS WIDTH BATCH TOKENS]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from medpipe.core.fmri.language_models import open_lm
from medpipe.core.fmri.prompt_decoding import DecodeOptions, write
from medpipe.core.fmri.prompted_lm import PromptedLm

ROUNDS, LENGTH = 5, 100
LAYERS, WIDTH, BATCH, TOKENS = (int(one) for one in sys.argv[1:5] or (12, 768, 8, 32))


def model() -> PromptedLm:
    """GPT-2's class with a tokenizer of a few words, which here only counts and marks."""
    small, _ = open_lm("small", ["a b c"], 0)
    torch.manual_seed(0)
    config = GPT2Config(n_layer=LAYERS, n_embd=WIDTH, n_head=WIDTH // 64, eos_token_id=None, bos_token_id=None)
    made = GPT2LMHeadModel(config)
    made.lm_head.weight = torch.nn.Parameter(torch.randn_like(made.lm_head.weight))
    # No token of it ends a text.
    small.texts = type(small.texts)(
        small.texts.tokenizer, (0,), config.vocab_size, config.vocab_size, config.vocab_size
    )
    small.model = made
    return small.eval()


def ours(lm: PromptedLm, prompts: torch.Tensor) -> list[list[int]]:
    return [text.ids for text in write(lm, prompts, [10] * len(prompts), DecodeOptions(TOKENS))]


@torch.inference_mode()
def refed(lm: PromptedLm, prompts: torch.Tensor) -> list[list[int]]:
    found = []
    for prompt in prompts:
        fed, ids = prompt[None], []
        for _ in range(TOKENS):
            token = lm.model(inputs_embeds=fed, use_cache=False).logits[0, -1].argmax()
            ids.append(int(token))
            fed = torch.cat([fed, lm.embed(token)[None, None]], dim=1)
        found.append(ids)
    return found


@torch.inference_mode()
def generated(lm: PromptedLm, prompts: torch.Tensor) -> list[list[int]]:
    mask = torch.ones(prompts.shape[:2], dtype=torch.long)
    found: list[list[int]] = lm.model.generate(
        inputs_embeds=prompts, attention_mask=mask, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0
    ).tolist()
    return found


def timed(way: Callable[[], list[list[int]]]) -> tuple[float, list[list[int]]]:
    start = time.process_time()
    found = way()
    return time.process_time() - start, found


def main() -> None:
    lm = model()
    prompts = torch.randn(BATCH, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1))
    ways = {"ours": ours, "transformers": generated, "re-feed": refed}
    best = dict.fromkeys(ways, float("inf"))
    made = {}
    for name in [*("ours", "transformers") * ROUNDS, "re-feed"]:
        seconds, made[name] = timed(lambda way=ways[name]: way(lm, prompts))
        best[name] = min(best[name], seconds)
    if not made["ours"] == made["transformers"] == made["re-feed"]:
        raise SystemExit("the ways write different tokens")
    print("| way | tokens/s | seconds of CPU | times ours |\n| --- | --- | --- | --- |")
    for name, seconds in best.items():
        print(f"| {name} | {BATCH * TOKENS / seconds:.1f} | {seconds:.2f} | {seconds / best['ours']:.2f} |")


if __name__ == "__main__":
    main()

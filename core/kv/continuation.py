"""A prompt read into a cache, and what a model says after it, forced or free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import Cache

from medpipe.core.errors import InputError
from medpipe.core.kv.decoder import Decoder
from medpipe.core.kv.prompts import Prompt


@torch.inference_mode()
def prefill(decoder: Decoder, prompt: Prompt, cache: Cache, more: int = 0) -> Tensor:
    """Read a prompt into an empty cache: logits of what follows [vocabulary].

    Raises InputError for a prompt that is too long with the tokens that are to be read after it (`more`), or
    predictions that are no numbers.
    """
    most = getattr(decoder.model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    if most is not None and prompt.tokens + max(1, more) > most:
        after = f" and {more} are to follow" if more > 1 else ""
        raise InputError("too-long", f"the prompt has {prompt.tokens} tokens{after}, the model counts to {most}")
    # Models with positions in three dimensions remember those of the prompt before, an image or not.
    for module in decoder.model.modules():
        if hasattr(module, "rope_deltas"):
            module.rope_deltas = None
    given = prompt.to(decoder.device, decoder.dtype).inputs
    out: Tensor = decoder.model(**given, past_key_values=cache, logits_to_keep=1).logits[0, -1].float()
    if not bool(out.isfinite().all()):
        raise InputError("not-finite", "the model's predictions are not numbers")
    return out


@torch.inference_mode()
def forced(decoder: Decoder, first: Tensor, tokens: Sequence[int], cache: Cache, *, singly: bool) -> Tensor:
    """Logits before each of the tokens [tokens, vocabulary]: `first`, and those after all tokens but the last.

    Args:
        decoder: the model.
        first: logits after the prompt [vocabulary].
        tokens: the continuation.
        cache: of the prompt; it grows.
        singly: one token at a time, as a cache needs that is compressed on the way.
    """
    asked = torch.tensor(tokens[:-1], device=decoder.device)
    step = 1 if singly else max(1, len(asked))
    found = [first[None]]
    for start in range(0, len(asked), step):
        some = asked[None, start : start + step]
        found.append(decoder.model(input_ids=some, past_key_values=cache).logits[0].float())
    return torch.cat(found)


def greedy(decoder: Decoder, first: Tensor, most: int, cache: Cache) -> list[int]:
    """The likeliest tokens, up to the end or `most`."""
    return list(_greedy(decoder, first, most, cache))


def _greedy(decoder: Decoder, first: Tensor, most: int, cache: Cache) -> Iterator[int]:
    end = decoder.model.generation_config.eos_token_id
    ends = {end} if isinstance(end, int) else set(end or ())
    logits = first
    for place in range(most):
        token = int(logits.argmax())
        yield token
        if token in ends or place == most - 1:
            return
        with torch.inference_mode():
            asked = torch.tensor([[token]], device=decoder.device)
            logits = decoder.model(input_ids=asked, past_key_values=cache).logits[0, -1].float()

"""Text written behind prompts of vectors, each token seen once: cached, many prompts together, never told the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.core.fmri.bpgpt_settings import Stop
from medpipe.core.fmri.prompted_lm import PromptedLm
from medpipe.core.fmri.roomy_cache import roomy_cache

_FAINT: Final = -80.0


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How text is written.

    Args:
        tokens: the most.
        stop: how a text ends, see BpGptSettings.
        temperature: 0 takes the likeliest token, else tokens are drawn.
        top_p: of what is drawn, the smallest set of likeliest tokens that has this share.
    """

    tokens: int = 128
    stop: Stop = "end"
    temperature: float = 0.0
    top_p: float = 1.0


@dataclass(slots=True)
class Written:
    """Tokens, the log-probability of each under the model as it is, in nats, and whether the text came to an end."""

    ids: list[int] = field(default_factory=list)
    logs: list[float] = field(default_factory=list)
    ended: bool = False


@torch.inference_mode()
def write(
    lm: PromptedLm,
    prompts: Tensor,
    volumes: Sequence[int],
    options: DecodeOptions,
    draws: Sequence[NDArray[np.float64]] | None = None,
) -> list[Written]:
    """The text behind each prompt.

    Args:
        lm: in evaluation mode.
        prompts: [batch, length, width]; rows beyond those of `volumes` only fill the batch.
        volumes: of each window, for rules that count marks.
        options: how.
        draws: numbers of [0, 1), `options.tokens` for each window, where tokens are drawn: the same whatever the batch.
    """
    made = [Written() for _ in volumes]
    cache = roomy_cache(lm.model, prompts.shape[1] + options.tokens)
    output = lm.model(inputs_embeds=prompts, past_key_values=cache, use_cache=True, logits_to_keep=1)
    for step in range(options.tokens):
        logits = output.logits[:, -1].float()
        chosen = logits.argmax(dim=-1)
        if options.temperature > 0 and draws is not None:
            drawn = torch.tensor(np.array([row[step] for row in draws]), dtype=torch.float64)
            chosen[: len(made)] = _drawn(logits[: len(made)], drawn, options)
        logs = _log_probabilities(logits, chosen)
        for text, token, log, count in zip(made, chosen.tolist(), logs.tolist(), volumes, strict=False):
            if not text.ended:
                text.ids.append(token)
                text.logs.append(log)
                text.ended = _ends(lm, text.ids, count, options.stop)
        if all(text.ended for text in made) or step + 1 == options.tokens:
            break
        output = lm.model(input_ids=chosen[:, None], past_key_values=cache, use_cache=True)
    return made


def _log_probabilities(logits: Tensor, chosen: Tensor) -> Tensor:
    """Of the chosen tokens [batch]."""
    below = logits - logits.amax(dim=1, keepdim=True)
    # What is left out is less than float32 tells from 0; where numbers are no longer normal, it is very slow.
    summed = below.clamp(min=_FAINT).exp_().sum(dim=1)
    return below.gather(1, chosen[:, None])[:, 0] - summed.log()


def _ends(lm: PromptedLm, ids: list[int], volumes: int, stop: Stop) -> bool:
    if ids[-1] == lm.texts.end:
        return True
    if stop == "marks":
        return ids[-1] == lm.texts.mark and ids.count(lm.texts.mark) >= volumes
    return stop == "released" and ids[-1] == lm.texts.bare and ids.count(lm.texts.bare) >= volumes - 1


def _drawn(logits: Tensor, draws: Tensor, options: DecodeOptions) -> Tensor:
    """Tokens at the places of `draws` in the cumulated probabilities of the likeliest."""
    shares, order = torch.softmax(logits.double() / options.temperature, dim=1).sort(
        dim=1, descending=True, stable=True
    )
    before = shares.cumsum(dim=1) - shares
    shares = shares.masked_fill(before >= options.top_p, 0.0)
    cumulated = shares.cumsum(dim=1)
    places = torch.searchsorted(cumulated, draws.to(logits.device)[:, None] * cumulated[:, -1:], right=True)
    return order.gather(1, places.clamp(max=logits.shape[1] - 1))[:, 0]

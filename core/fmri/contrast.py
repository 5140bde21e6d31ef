"""The pull of brain prompts to the text prompts of the same windows (BP-GPT, arXiv 2502.15172), in three forms."""

from __future__ import annotations

from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from medpipe.core.training import distributed
from medpipe.core.training.contrastive import InfoNce

Contrast = Literal["released", "paper", "cosine"]
_NEVER: Final = float("-inf")


def contrast(brain: Tensor, text: Tensor, form: Contrast, temperature: float = 0.1) -> Tensor:
    """Prompts [batch, length, width] of the same windows -> the loss, a scalar; the text's have no gradient.

    released: one ratio for the batch. s_ij = <z_i, z_j> / <z_i, z_i>, no cosine, of all prompts as long vectors;
    the exponentials of s(text_i, brain_i) over those of all pairs i != j but text with text, these included.
    paper: by row, cosines; the other windows' brain and text prompts are the negatives. Its fraction is not known to
    the letter: the positive is in the denominator here. cosine: symmetric InfoNCE over cosines of brain and text.

    All in float32 by log-sum-exp, finite whatever the ratios. The batch is that of all processes.
    """
    with torch.autocast(brain.device.type, enabled=False):
        left, right = brain.float().flatten(1), text.detach().float().flatten(1)
        if form == "cosine":
            return InfoNce(temperature, directions="mean", gradient="joined")(left, right)
        left, right = distributed.joined(left, rescale=True), distributed.joined(right)
        return _one_ratio(left, right, temperature) if form == "released" else _by_row(left, right, temperature)


def _one_ratio(brain: Tensor, text: Tensor, temperature: float) -> Tensor:
    count = len(brain)
    vectors = torch.cat([brain, text])
    products = vectors @ vectors.T
    ratios = products / products.diagonal()[:, None] / temperature
    shut = torch.eye(2 * count, dtype=torch.bool, device=brain.device)
    shut[count:, count:] = True
    own = ratios[count:, :count].diagonal()
    return torch.logsumexp(ratios.masked_fill(shut, _NEVER).flatten(), 0) - torch.logsumexp(own, 0)


def _by_row(brain: Tensor, text: Tensor, temperature: float) -> Tensor:
    brain, text = F.normalize(brain, dim=1), F.normalize(text, dim=1)
    itself = torch.eye(len(brain), dtype=torch.bool, device=brain.device)
    across = brain @ text.T / temperature
    within = (brain @ brain.T / temperature).masked_fill(itself, _NEVER)
    return (torch.logsumexp(torch.cat([across, within], dim=1), dim=1) - across.diagonal()).mean()

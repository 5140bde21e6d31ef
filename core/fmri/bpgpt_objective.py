"""What the two stages of BP-GPT (arXiv 2502.15172) learn: the text prompt, then the brain prompt beside it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Final

import torch
from torch import Tensor, nn

from medpipe.core.fmri.bpgpt_batch import WindowBatch
from medpipe.core.fmri.bpgpt_settings import BpGptSettings
from medpipe.core.fmri.brain_encoder import BrainEncoder
from medpipe.core.fmri.contrast import contrast
from medpipe.core.fmri.prompted_lm import IGNORED, PromptedLm
from medpipe.core.fmri.text_prompt import TextMapper
from medpipe.core.training.partly_trained import PartlyTrained

NLL: Final = "nll_teacher_forced"


class PromptObjective(PartlyTrained):
    """A prompt and the cross-entropy of the text behind it; parts that are `frozen` neither change nor drop out.

    The cross-entropy is that of the true words before each word: a loss, and no score of what would be written.
    """

    selection = NLL

    def __init__(self, lm: PromptedLm, settings: BpGptSettings, frozen: list[nn.Module]) -> None:
        super().__init__(settings.seed)
        lm.check_room(settings.length, settings.tokens)
        self.lm, self.settings = lm, settings
        self._frozen = frozen
        for part in frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> PromptObjective:
        """Frozen parts drop nothing out."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    @torch.no_grad()
    def validate(
        self, batches: Iterable[WindowBatch], device: torch.device, precision: AbstractContextManager[object]
    ) -> dict[str, float | int | None]:
        """Losses: the cross-entropy the mean over tokens, others over windows."""
        self.eval()
        sums: dict[str, float] = {}
        windows = tokens = 0
        for batch in batches:
            count = int((batch.targets != IGNORED).sum())
            with precision:
                losses = self(batch.to(device))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value) * (count if name == NLL else len(batch))
            windows, tokens = windows + len(batch), tokens + count
        if not windows:
            raise ValueError("there are no validation windows")
        return {name: value / (tokens if name == NLL else windows) for name, value in sums.items()}


class TextObjective(PromptObjective):
    """Stage one: the mapper, and the language model with it, learn to write a text from its own vector."""

    def __init__(self, lm: PromptedLm, mapper: TextMapper, settings: BpGptSettings) -> None:
        super().__init__(lm, settings, [lm] if settings.text_lm == "frozen" else [])
        self.mapper = mapper

    def forward(self, batch: WindowBatch) -> dict[str, Tensor]:
        """The loss is the cross-entropy."""
        loss = self.lm(self.mapper(batch.texts), batch.targets)
        return {"loss": loss, NLL: loss}

    def compiled_parts(self) -> list[nn.Module]:
        """The mapper and the language model."""
        return [self.mapper, self.lm.model]


class BrainObjective(PromptObjective):
    """Stage two: an encoder of responses learns to write the text, pulled to the frozen text prompt."""

    def __init__(self, lm: PromptedLm, mapper: TextMapper, encoder: BrainEncoder, settings: BpGptSettings) -> None:
        super().__init__(lm, settings, [mapper] if settings.brain_lm == "tuned" else [mapper, lm])
        self.mapper, self.encoder = mapper, encoder

    def forward(self, batch: WindowBatch) -> dict[str, Tensor]:
        """The cross-entropy and the weighted contrastive term. Raises ValueError for windows without responses."""
        if batch.responses is None:
            raise ValueError("the windows have no responses")
        responses = batch.responses
        if self.training and self.settings.noise:
            responses = responses + self.settings.noise * torch.randn_like(responses)
        prompt = self.encoder(responses)
        nll = self.lm(prompt, batch.targets)
        with torch.no_grad():
            text = self.mapper(batch.texts)
        pull = contrast(prompt, text, self.settings.contrast, self.settings.temperature)
        return {"loss": nll + self.settings.contrast_weight * pull, NLL: nll, "contrast": pull}

    def compiled_parts(self) -> list[nn.Module]:
        """The encoder and the language model."""
        return [self.encoder, self.lm.model]

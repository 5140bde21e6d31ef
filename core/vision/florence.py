"""Florence-2 in transformers' own class: an image encoded once, findings asked for one after another or together.

Boxes are read from the answer by us (`location_tokens`). A box's score is the geometric mean of the probabilities of
its four location tokens. `present` of a finding is P(location) / (P(location) + P(end)) where the answer to the label
begins: what the model says of there being anything, however sure of the place; it is no probability of the finding
unless the model was trained with images that do not have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from medpipe.core.vision.location_tokens import BINS, Bins, Parsed, parse

MEAN: Final = (0.485, 0.456, 0.406)
SPREAD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is sought: beams, 1 for greedy, and the most tokens of it."""

    beams: int = 1
    tokens: int = 300


@dataclass(slots=True)
class Answer:
    """What came of one finding: boxes as (label, bins, score), what was dropped, `present`, and the text."""

    boxes: list[tuple[str, Bins, float]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    present: float = 0.0
    text: str = ""


class Florence:
    """A model with its tokenizer, in eval mode on one device."""

    def __init__(self, model: Any, tokenizer: Any, side: int) -> None:
        self.model, self.tokenizer, self.side = model.eval(), tokenizer, side
        self._device = next(model.parameters()).device
        ids = [tokenizer.convert_tokens_to_ids(f"<loc_{place}>") for place in range(BINS)]
        self._locations = torch.tensor(ids, device=self._device)
        self._ids = frozenset(ids)

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pixels [side, side, 3] -> image tokens [1, n, width]: the costly half, the same for every finding."""
        values = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None].float() / 255
        mean, spread = (torch.tensor(one, device=self._device).view(1, 3, 1, 1) for one in (MEAN, SPREAD))
        wanted = next(self.model.parameters()).dtype
        found: Tensor = self.model.get_image_features(((values - mean) / spread).to(wanted)).pooler_output
        return found

    @torch.no_grad()
    def ask(self, image: Tensor, prompts: Sequence[str], labels: Sequence[str], decoding: Decoding) -> list[Answer]:
        """Answers to prompts [findings] about an encoded image, whose labels begin the answers."""
        states, mask = self._read(image, prompts)
        made = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states), attention_mask=mask, num_beams=decoding.beams,
            max_new_tokens=decoding.tokens, do_sample=False, output_scores=True, return_dict_in_generate=True,
        )  # fmt: skip
        logs = self.model.compute_transition_scores(
            made.sequences, made.scores, getattr(made, "beam_indices", None), normalize_logits=True
        )
        present = [self._present(states[row : row + 1], mask[row : row + 1], label) for row, label in enumerate(labels)]
        # What was generated stands behind the decoder's first token.
        tokens = made.sequences[:, made.sequences.shape[1] - logs.shape[1] :]
        return [
            self._answer(row.tolist(), log.tolist(), share)
            for row, log, share in zip(tokens, logs, present, strict=True)
        ]

    def _read(self, image: Tensor, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The encoder's states [findings, n, width] of the image followed by each prompt, and which of them count."""
        texts = self.tokenizer(list(prompts), return_tensors="pt", padding=True).to(self._device)
        words = self.model.get_input_embeddings()(texts["input_ids"])
        whole = torch.cat([image.expand(len(prompts), -1, -1).to(words.dtype), words], dim=1)
        mask = torch.cat([whole.new_ones(whole.shape[:2])[:, : image.shape[1]].long(), texts["attention_mask"]], dim=1)
        states: Tensor = self.model.get_encoder()(inputs_embeds=whole, attention_mask=mask).last_hidden_state
        return states, mask

    def _present(self, states: Tensor, mask: Tensor, label: str) -> float:
        """P(location) / (P(location) + P(end)) behind the label."""
        words = self.tokenizer(label, return_tensors="pt", add_special_tokens=False)["input_ids"].to(self._device)
        config = self.model.config.text_config
        begin = torch.tensor([[config.decoder_start_token_id, self.tokenizer.bos_token_id]], device=self._device)
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=torch.cat([begin, words], dim=1),
        )
        logs = torch.log_softmax(out.logits[0, -1].float(), dim=0)
        located = float(torch.logsumexp(logs[self._locations], dim=0))
        ended = float(logs[self.tokenizer.eos_token_id])
        return 1 / (1 + math.exp(min(700.0, ended - located)))

    def _answer(self, tokens: list[int], logs: list[float], present: float) -> Answer:
        text = self.tokenizer.decode(tokens, skip_special_tokens=False)
        parsed: Parsed = parse(text)
        chances = [log for token, log in zip(tokens, logs, strict=True) if token in self._ids]
        scored = [
            (label, bins, float(np.exp(np.mean(chances[place : place + 4]))))
            for (label, bins), place in zip(parsed.boxes, parsed.places, strict=True)
        ]
        return Answer(scored, parsed.dropped, present, text)

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
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from medpipe.core.errors import InputError
from medpipe.core.vision.location_tokens import BINS, Bins, Parsed, parse

MEAN: Final = (0.485, 0.456, 0.406)
SPREAD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is sought: beams, 1 for greedy, and the most tokens of it.

    `places_first`: where all locations together are likelier than any word, it is one of them. So a model is read that
    was taught to spread a location over its neighbours, none of which alone may be likelier than the end.
    """

    beams: int = 1
    tokens: int = 300
    places_first: bool = False


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
        # A tenth less time on a CPU: the tower goes to and fro between convolutions and rows of tokens.
        model.get_encoder(modality="image").to(memory_format=torch.channels_last)
        self._locations = tokenizer.convert_tokens_to_ids([f"<loc_{place}>" for place in range(BINS)])
        self._ids = frozenset(self._locations)

    @property
    def _device(self) -> torch.device:
        """Where the model is: a training moves it."""
        found: torch.device = next(self.model.parameters()).device
        return found

    @torch.no_grad()
    def encode(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pixels [side, side, 3] -> image tokens [1, n, width]: the costly half, the same for every finding."""
        values = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None]
        return image_tokens(self.model, values)

    @torch.no_grad()
    def ask(self, image: Tensor, prompts: Sequence[str], labels: Sequence[str], decoding: Decoding) -> list[Answer]:
        """Answers to prompts [findings] about an encoded image [1, n, width], whose labels begin the answers.

        Image tokens [findings, n, width] are of an image for each.
        """
        states, mask = self._read(image, prompts)
        made = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states), attention_mask=mask, num_beams=decoding.beams,
            max_new_tokens=min(decoding.tokens, self.places - 1), do_sample=False, output_logits=True,
            return_dict_in_generate=True,
            logits_processor=[self._places_first] if decoding.places_first else None,
        )  # fmt: skip
        logs = self.model.compute_transition_scores(
            made.sequences, made.logits, getattr(made, "beam_indices", None), normalize_logits=True
        )
        seen = made.past_key_values.cross_attention_cache
        # Of the beams of a question the first: what they look at is the same.
        seen.batch_select_indices(torch.arange(0, len(prompts) * decoding.beams, decoding.beams, device=self._device))
        present = self._present(states, mask, labels, seen)
        # What was generated stands behind the decoder's first token.
        tokens = made.sequences[:, made.sequences.shape[1] - logs.shape[1] :]
        return [
            self._answer(row.tolist(), log.tolist(), share)
            for row, log, share in zip(tokens, logs, present, strict=True)
        ]

    @property
    def places(self) -> int:
        """How many tokens the model can count."""
        found: int = self.model.config.text_config.max_position_embeddings
        return found

    def _places_first(self, tokens: Tensor, logits: Tensor) -> Tensor:
        """Words put out of reach [beams, vocabulary] where locations have more."""
        located = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
        located[self._locations] = True
        places = torch.logsumexp(logits[:, located], dim=1)
        words = logits.masked_fill(located, -torch.inf)
        return torch.where((places > words.amax(dim=1))[:, None], logits.masked_fill(~located, -torch.inf), words)

    def _read(self, image: Tensor, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The encoder's states [findings, n, width] of the image followed by each prompt, and which of them count."""
        texts = self.tokenizer(list(prompts), return_tensors="pt", padding=True).to(self._device)
        if image.shape[1] + texts["input_ids"].shape[1] > self.places:
            longest = max(prompts, key=len)
            raise InputError("too-long", f"the model has no room for a question of {len(longest)} letters")
        return encoder_states(
            self.model, image.expand(len(prompts), -1, -1), texts["input_ids"], texts["attention_mask"]
        )

    def _present(self, states: Tensor, mask: Tensor, labels: Sequence[str], seen: DynamicCache) -> list[float]:
        """P(location) / (P(location) + P(end)) behind each label; `seen` holds the keys and values of `states`."""
        begin = [self.model.config.text_config.decoder_start_token_id, self.tokenizer.bos_token_id]
        words = [torch.tensor(begin + self.tokenizer(label, add_special_tokens=False)["input_ids"]) for label in labels]
        # What stands behind a label is seen by nothing before it.
        padded = torch.nn.utils.rnn.pad_sequence(words, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=padded.to(self._device),
            past_key_values=EncoderDecoderCache(DynamicCache(), seen),
        )
        last = torch.tensor([len(one) - 1 for one in words], device=self._device)
        logs = out.logits[torch.arange(len(words), device=self._device), last].float()
        located = torch.logsumexp(logs[:, self._locations], dim=1)
        shares: list[float] = torch.sigmoid(located - logs[:, self.tokenizer.eos_token_id]).tolist()
        return shares

    def _answer(self, tokens: list[int], logs: list[float], present: float) -> Answer:
        text = self.tokenizer.decode(tokens, skip_special_tokens=False)
        parsed: Parsed = parse(text)
        chances = [log for token, log in zip(tokens, logs, strict=True) if token in self._ids]
        scored = [
            (label, bins, float(np.exp(np.mean(chances[place : place + 4]))))
            for (label, bins), place in zip(parsed.boxes, parsed.places, strict=True)
        ]
        return Answer(scored, parsed.dropped, present, text)


def tower_stride(model: Any) -> int:
    """Pixels of the input for an image token, each way: the strides of the tower's stages multiplied."""
    return math.prod(model.config.vision_config.patch_stride)


def image_tokens(model: Any, pixels: Tensor) -> Tensor:
    """Pixels [B, 3, side, side] of 8 bits -> image tokens [B, n, width]."""
    mean, spread = (torch.tensor(one, device=pixels.device).view(1, 3, 1, 1) for one in (MEAN, SPREAD))
    wanted = next(model.parameters()).dtype
    found: Tensor = model.get_image_features(((pixels.float() / 255 - mean) / spread).to(wanted)).pooler_output
    return found


def encoder_states(model: Any, image: Tensor, prompts: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Image tokens [Q, n, width], prompts [Q, m] and their mask -> states [Q, n + m, width], which of them count."""
    words = model.get_input_embeddings()(prompts)
    whole = torch.cat([image.to(words.dtype), words], dim=1)
    counts = torch.cat([mask.new_ones(image.shape[:2]), mask], dim=1)
    states: Tensor = model.get_encoder()(inputs_embeds=whole, attention_mask=counts).last_hidden_state
    return states, counts

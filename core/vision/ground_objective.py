"""What a grounding model learns: to answer a finding's name with the places of its boxes, or with none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from medpipe.core.metrics.box_precision import average_precisions, match
from medpipe.core.metrics.box_sets import ImageBoxes, label_numbers
from medpipe.core.training.partly_trained import PartlyTrained
from medpipe.core.vision.dense_boxes import DenseBoxes, spread_entropy
from medpipe.core.vision.florence import Answer, Decoding, Florence, encoder_states, image_tokens, tower_stride
from medpipe.core.vision.ground_batch import IGNORED, Example, GroundBatch
from medpipe.core.vision.ground_settings import GroundSettings
from medpipe.core.vision.location_tokens import BINS, centres

_IOU: Final = 0.5
_TOGETHER: Final = 64
# Of the trained state, beside the weights.
_ABSENT: Final = "asked_absent"


class GroundObjective(PartlyTrained):
    """Florence-2 and its cross-entropy. `names` are all findings, in the order of the AP's columns.

    `absent` counts, by finding, answers learnt by this process that there is none.
    """

    def __init__(self, florence: Florence, settings: GroundSettings, names: tuple[str, ...]) -> None:
        super().__init__(settings.seed)
        self.florence, self.settings, self.names = florence, settings, names
        self.model = florence.model
        self.absent: Counter[str] = Counter()
        self.selection = settings.selection
        self.higher_is_better = settings.selection == "ap50"
        if settings.lora_rank:
            from medpipe.core.vision.lora import with_lora

            with_lora(self.model, settings)
        if settings.tower == "frozen":
            self._tower().requires_grad_(False)
        self.dense = None
        if settings.dense_weight:
            width = self.model.config.vision_config.projection_dim
            stride = tower_stride(self.model)
            self.dense = DenseBoxes(width, names, settings.side, stride, settings.location_spread)
            self.rests = settings.dense_epochs > 0
        ids = florence.tokenizer.convert_tokens_to_ids([f"<loc_{place}>" for place in range(BINS)])
        self.first_location = int(ids[0])
        if ids != list(range(ids[0], ids[0] + BINS)):
            raise ValueError("the tokenizer's location tokens do not stand in a row")

    def _tower(self) -> nn.Module:
        found: nn.Module = self.model.get_encoder(modality="image")
        return found

    def train(self, mode: bool = True) -> GroundObjective:
        """A frozen tower drops nothing out."""
        super().train(mode)
        if self.settings.tower == "frozen":
            self._tower().eval()
        return self

    def forward(self, batch: GroundBatch) -> dict[str, Tensor]:
        """`loss` over all tokens; `location` and `words` are its parts, the means of their tokens; `dense` beside."""
        image = image_tokens(self.model, batch.pixels)
        parts = {} if batch.dense_only else self._told(image, batch)
        if self.training and not batch.dense_only:
            self.absent.update(name for one in batch.examples for name in one.names if name not in one.labels)
        loss = parts.pop("tokens", image.new_zeros(()))
        if self.dense is not None:
            parts["dense"] = self.dense(image, batch.examples, self._locations())
            loss = loss + self.settings.dense_weight * parts["dense"]
        return {"loss": loss, **parts}

    def trained_state(self) -> dict[str, Tensor]:
        """Weights that training changes, and what it has asked."""
        return super().trained_state() | {_ABSENT: torch.tensor([self.absent[name] for name in self.names])}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """The other way. A state of an earlier version tells nothing of what was asked."""
        weights = dict(state)
        counts = weights.pop(_ABSENT, torch.zeros(len(self.names), dtype=torch.int64))
        self.absent = Counter(dict(zip(self.names, counts.tolist(), strict=True)))
        super().load_trained_state(weights)

    def _told(self, image: Tensor, batch: GroundBatch) -> dict[str, Tensor]:
        """Cross-entropy of the answers: of all `tokens`, of each `location`, of the other `words`."""
        lengths = (batch.answers != IGNORED).sum(dim=1)
        groups = _alike(lengths)
        found = [self._answered(image, batch, rows, int(lengths[rows].max())) for rows in groups]
        each, located = (torch.cat(parts) for parts in zip(*found, strict=True))
        lengths = lengths[torch.cat(groups)]
        # A batch may have no box at all.
        return {
            "tokens": each.mean() if self.settings.balance == "tokens" else _by_answer(each, lengths),
            "location": (each * located).sum() / located.sum().clamp(min=1),
            "words": (each * ~located).sum() / (~located).sum(),
        }

    def _answered(self, image: Tensor, batch: GroundBatch, rows: Tensor, longest: int) -> tuple[Tensor, Tensor]:
        """Of some queries the cross-entropy of each token of their answers, in order, and which are locations."""
        answers = batch.answers[rows, :longest]
        states, mask = encoder_states(self.model, image[batch.image[rows]], batch.prompts[rows], batch.mask[rows])
        logits = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=self._shifted(answers),
        ).logits
        counted = answers != IGNORED
        wanted, logs = answers[counted], torch.log_softmax(logits[counted].float(), dim=-1)
        place = wanted - self.first_location
        located = (place >= 0) & (place < BINS)
        each = -logs.gather(1, wanted[:, None])[:, 0]
        own = logs[:, self.first_location : self.first_location + BINS]
        spread = spread_entropy(own, place.clamp(0, BINS - 1), self.settings.location_spread)
        return torch.where(located, spread, each), located

    def _shifted(self, answers: Tensor) -> Tensor:
        """What the decoder reads: its first token, then the answer up to the last but one."""
        config = self.model.config.text_config
        begin = answers.new_full((len(answers), 1), config.decoder_start_token_id)
        shifted = torch.cat([begin, answers[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == IGNORED, config.pad_token_id)

    def _locations(self) -> Tensor:
        """The vectors [BINS, width] of the location tokens."""
        vectors: Tensor = self.model.get_input_embeddings().weight
        return vectors[self.first_location : self.first_location + BINS]

    @torch.no_grad()
    def validate(
        self, batches: Iterable[GroundBatch], device: torch.device, precision: AbstractContextManager[object]
    ) -> dict[str, float | int | None]:
        """Losses, each the mean over pictures; with the selection `ap50` the mean AP over findings at an IoU of 0.5."""
        self.eval()
        sums: dict[str, float] = {}
        count, images = 0, []
        for batch in batches:
            moved = batch.to(device)
            with precision:
                losses = self(moved)
                if self.selection == "ap50":
                    images += self._found(moved)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch)
            count += len(batch)
        if not count:
            raise ValueError("there are no validation pictures")
        means: dict[str, float | int | None] = {name: value / count for name, value in sums.items()}
        return means | (self._ap50(images) if images else {})

    def _found(self, batch: GroundBatch) -> list[ImageBoxes]:
        """What is found in each picture of a batch, by one beam, in pixels of the input."""
        features = image_tokens(self.model, batch.pixels)
        queries = [(place, number) for place, one in enumerate(batch.examples) for number in range(len(one.names))]
        answers: list[Answer] = []
        for start in range(0, len(queries), _TOGETHER):
            some = slice(start, start + _TOGETHER)
            labels = [batch.examples[place].names[number].lower() for place, number in queries[some]]
            decoding = Decoding(1, self.settings.tokens, self.settings.location_spread > 0)
            answers += self.florence.ask(features[batch.image[some]], batch.texts[some], labels, decoding)
        return [
            self._image(one, [answer for (owner, _), answer in zip(queries, answers, strict=True) if owner == place])
            for place, one in enumerate(batch.examples)
        ]

    def _image(self, example: Example, answers: list[Answer]) -> ImageBoxes:
        size = (self.settings.side, self.settings.side)
        rows = [
            (name, bins, score)
            for name, answer in zip(example.names, answers, strict=True)
            for _, bins, score in answer.boxes
        ]
        return ImageBoxes(
            centres([bins for _, bins, _ in rows], size),
            label_numbers(self.names, [name for name, *_ in rows]),
            np.array([score for *_, score in rows], np.float64),
            example.there,
            label_numbers(self.names, example.labels),
            frozenset(label_numbers(self.names, example.names).tolist()),
        )

    def _ap50(self, images: list[ImageBoxes]) -> dict[str, float | int | None]:
        """The mean over findings, and of each finding that there is; no mean where there is none."""
        weights = np.ones((1, len(images)))
        values = [average_precisions(match(images, label, [_IOU]), weights)[0, 0] for label in range(len(self.names))]
        known = {f"ap50:{name}": float(value) for name, value in zip(self.names, values, strict=True) if value == value}
        return {"ap50": float(np.mean(list(known.values()))) if known else None, **known}

    def compiled_parts(self) -> list[nn.Module]:
        """The tower, the text encoder and the decoder."""
        return [self._tower(), self.model.get_encoder(), self.model.get_decoder()]

    def whole_weights(self) -> dict[str, Tensor]:
        """All weights under the names of transformers' class, adapters added to what they adapt."""
        if self.settings.lora_rank:
            from medpipe.core.vision.lora import merged

            return merged(self.model)
        return dict(self.model.state_dict())


def _alike(lengths: Tensor) -> list[Tensor]:
    """Rows of short answers and of long ones: padded to the longest, the short ones would be most of the work."""
    short = 3 * lengths <= lengths.max()
    return [rows for some in (short, ~short) if len(rows := some.nonzero()[:, 0])]


def _by_answer(each: Tensor, lengths: Tensor) -> Tensor:
    """The mean over answers of the means of their tokens' losses `each`, which stand one answer after the other."""
    owners = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    sums = each.new_zeros(len(lengths)).index_add(0, owners, each)
    return (sums / lengths).mean()

"""How the recall model learns: to answer, and at once to read, so that a tile's token is like the tokens it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medpipe.core.kv.recall_model import BREAK, END, IMAGE, TOKENS, recall_model
from medpipe.core.kv.recall_task import DIGITS, LETTERS, SIDE, asked, draw
from medpipe.core.training.objective import Objective
from medpipe.core.training.settings import ScheduleName, TrainSettings

_IGNORED: Final = -100
_WORDS: Final = 6
# How sharply a tile's token tells its letter from others, and the weight of reading beside answering.
_SHARP, _READ = 5.0, 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """Epochs of one difficulty: pictures, tiles with pairs in each, and how many of the others are not left out.

    Of each question the last `words` are before its answer.
    """

    epochs: int
    batch: int
    images: int
    pairs: int
    others: int
    words: int = _WORDS


# Recall is learnt where there is nothing else to see, in seconds; whole prompts follow.
STAGES: Final = (
    Stage(5, 32, images=1, pairs=12, others=0, words=2),
    Stage(1, 16, images=1, pairs=12, others=SIDE**2 - 12),
    Stage(1, 8, images=3, pairs=6, others=SIDE**2 - 6),
    Stage(3, 8, images=6, pairs=4, others=SIDE**2 - 4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallPlan(TrainSettings):
    """Everything that changes the outcome."""

    name: str = "kv-recall"
    epochs: int = sum(stage.epochs for stage in STAGES)
    epoch_steps: int = 50
    batch: int = max(stage.batch for stage in STAGES)
    lr: float = 3e-3
    weight_decay: float = 0.01
    beta2: float = 0.98
    schedule: ScheduleName = "cosine"
    warmup: int = 50
    lowest_lr: float = 1e-4
    clip: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RecallBatch:
    """Pictures [B x images, 3, rows, columns]; the tiles that are not left out, counted through all of them; tokens and
    what each should be [B, n]; of tiles that say something the place, the letter and the digit [B x pairs]."""

    pixels: Tensor
    seen: Tensor
    tokens: Tensor
    targets: Tensor
    said: tuple[Tensor, Tensor, Tensor]

    def to(self, device: torch.device) -> RecallBatch:
        """All of it."""
        place, letter, digit = (one.to(device) for one in self.said)
        pixels, seen, tokens, targets = (one.to(device) for one in (self.pixels, self.seen, self.tokens, self.targets))
        return RecallBatch(pixels, seen, tokens, targets, (place, letter, digit))

    def __len__(self) -> int:
        return len(self.tokens)


class RecallPrompts:
    """A BatchSource of prompts drawn as they are needed."""

    def __init__(self, plan: RecallPlan) -> None:
        self.plan = plan

    def steps(self, world: int) -> int:
        """See BatchSource."""
        return self.plan.epoch_steps

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[RecallBatch]:
        """See BatchSource."""
        stages = [stage for stage in STAGES for _ in range(stage.epochs)]
        for step in range(skip, self.plan.epoch_steps):
            # By its place alone, so that none need be drawn before it.
            yield draw_batch(stages[epoch], np.random.default_rng([self.plan.seed, epoch, step * world + rank]))


def draw_batch(stage: Stage, rng: np.random.Generator) -> RecallBatch:
    """Prompts with every pair asked for, in any order."""
    tiles = stage.images * SIDE**2
    drawn = [draw(stage.images, stage.pairs, rng) for _ in range(stage.batch)]
    made = [_written(one.digits, stage, rng) for one in drawn]
    seen = [_seen(one.places, stage, rng) + tiles * place for place, one in enumerate(drawn)]
    pixels = torch.from_numpy(np.concatenate([one.pixels for one in drawn])).float() / 127.5 - 1
    said = (
        torch.from_numpy(np.concatenate([one.places + tiles * place for place, one in enumerate(drawn)])),
        torch.tensor([LETTERS.index(letter) for one in drawn for letter in one.digits]),
        torch.tensor([DIGITS.index(digit) for one in drawn for digit in one.digits.values()]),
    )
    tokens, targets = (torch.tensor(both) for both in zip(*made, strict=True))
    return RecallBatch(
        pixels[:, None].expand(-1, 3, -1, -1), torch.from_numpy(np.concatenate(seen)), tokens, targets, said
    )


def _written(digits: dict[str, str], stage: Stage, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Tokens of a prompt, and what is asked of each: of a question's nothing."""
    tokens = ([TOKENS[IMAGE]] * (stage.pairs + stage.others) + [TOKENS[BREAK]]) * stage.images
    targets = [_IGNORED] * len(tokens)
    for letter in rng.permutation(list(digits)):
        question, answer = asked(letter, digits[letter])
        words = [TOKENS[one] for one in question.replace("?", " ?").split()[-stage.words :]]
        told = [*(TOKENS[one] for one in answer.split()), TOKENS[END]]
        tokens += words + told
        targets += [_IGNORED] * len(words) + told
    return tokens, targets


def _seen(places: Any, stage: Stage, rng: np.random.Generator) -> Any:
    """Tiles that are not left out, in order: those that say something, and of the others as many as the stage has."""
    own = np.zeros((stage.images, SIDE**2), bool)
    own.ravel()[places] = True
    lot = rng.random(own.shape) + own
    kept = np.sort(np.argsort(-lot, axis=1)[:, : stage.pairs + stage.others], axis=1)
    return (kept + SIDE**2 * np.arange(stage.images)[:, None]).ravel()


class RecallObjective(Objective):
    """The model, freshly drawn by the plan's seed."""

    def __init__(self, plan: RecallPlan) -> None:
        super().__init__(plan.seed)
        self.plan = plan
        self.network: Any = recall_model(plan.seed)

    def forward(self, batch: RecallBatch) -> dict[str, Tensor]:
        """See Objective."""
        model, words = self.network.model, self.network.get_input_embeddings()
        found = model.get_image_features(batch.pixels).pooler_output
        tiles = torch.cat(list(found)).view(-1, words.embedding_dim)
        given = words(batch.tokens).masked_scatter((batch.tokens == TOKENS[IMAGE])[..., None], tiles[batch.seen])
        asked_for = batch.targets[:, 1:] != _IGNORED
        states = model.language_model(inputs_embeds=given).last_hidden_state[:, :-1][asked_for]
        answer = F.cross_entropy(self.network.lm_head(states), batch.targets[:, 1:][asked_for])
        read = self._read(tiles, batch, words.weight)
        return {"loss": answer + _READ * read, "answer": answer, "read": read}

    def _read(self, tiles: Tensor, batch: RecallBatch, words: Tensor) -> Tensor:
        place, letter, digit = batch.said
        likeness = _SHARP * tiles[place] @ words.T
        first, other = TOKENS[LETTERS[0]], TOKENS[DIGITS[0]]
        letters, digits = likeness[:, first : first + len(LETTERS)], likeness[:, other : other + len(DIGITS)]
        return F.cross_entropy(letters, letter) + F.cross_entropy(digits, digit)

    def validate(
        self, batches: Iterable[Any], device: torch.device, precision: AbstractContextManager[object]
    ) -> dict[str, float | int | None]:
        """Nothing is chosen: the last weights are kept."""
        raise NotImplementedError

    def compiled_parts(self) -> list[nn.Module]:
        """See Objective."""
        return [self.network]

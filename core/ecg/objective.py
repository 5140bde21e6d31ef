"""What a pre-training objective answers to, whatever its paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

import torch
from torch import Generator, Tensor, nn

from medpipe.core.ecg.network import HEADS, EcgNetwork
from medpipe.core.ecg.query_decoder import QueryDecoder
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.training import distributed, objective

Drawn = TypeVar("Drawn")
# Names in a saved file: the vectors of the entities, and the decoder that reads them.
QUERIES: Final = f"{HEADS}queries"
DECODER: Final = f"{HEADS}decoder."


class Objective(objective.Objective):
    """An encoder with all that is trained beside it.

    `network` is the encoder, `heads` what stands beside it in a saved file. Text encoders are frozen: vectors of
    reports and of queries come in ready. `generator` draws masks for the joined batch of all processes: a record's
    mask then does not depend on their number.
    """

    network: EcgNetwork

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.heads = nn.ModuleDict()

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Of an area; not of a loss."""
        return self.selection == "macro_auroc"

    def validate(
        self, batches: Iterable[Batch], device: torch.device, precision: AbstractContextManager[object]
    ) -> dict[str, float | int | None]:
        """As `validate.validate` has it."""
        from medpipe.core.ecg.validate import validate

        return validate(self, batches, device, precision)

    def entity_logits(self, batch: Batch) -> Tensor | None:
        """Logits [B, E] of the entities; None where the objective has no decoder."""
        return None

    @property
    def decoder(self) -> QueryDecoder | None:
        """The text-query decoder; None where the objective has none."""
        found = dict(self.heads.items()).get("decoder")
        return found if isinstance(found, QueryDecoder) else None

    @property
    def queries(self) -> Tensor | None:
        """The text vectors [E, D] of the entities; None where the objective has no decoder."""
        return None

    def weights(self) -> dict[str, Tensor]:
        """What a checkpoint of this model holds: the encoder under its published names, the rest under `heads.`."""
        heads = {f"{HEADS}{name}": value for name, value in self.heads.state_dict().items()}
        if self.queries is not None:
            heads[QUERIES] = self.queries
        return {**self.network_weights(), **heads}

    def network_weights(self) -> dict[str, Tensor]:
        """The encoder under the names that `network.from_weights` takes."""
        return dict(self.network.state_dict())

    def drawn_for_all(self, own: Tensor, draw: Callable[[Tensor, Generator], Drawn]) -> tuple[Drawn, int]:
        """`draw` of a CPU tensor [b, ...] of every process joined, and the place of this one's first row."""
        device = next(self.parameters()).device
        counts = distributed.sizes(len(own), device)
        everyone = own
        if len(counts) > 1:
            padded = torch.zeros(max(counts), *own.shape[1:], dtype=torch.uint8)
            padded[: len(own)] = own
            parts = distributed.gathered(padded, device)
            everyone = torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)]).to(own.dtype)
        return draw(everyone, self.generator), sum(counts[: distributed.rank()])


def needed(value: Tensor | None, what: str) -> Tensor:
    """The part of a batch that an objective cannot do without; ValueError that names it."""
    if value is None:
        raise ValueError(f"this objective needs {what} in every batch")
    return value

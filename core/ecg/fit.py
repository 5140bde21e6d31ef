"""The default model's network trained on windows in memory, by the loop of every training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor

from medpipe.core.ecg.augment import lead_subsets, mixup, perturb, shorten
from medpipe.core.ecg.concept_objective import Classifier, ConceptBatch, ConceptObjective, Plan
from medpipe.core.training.durable import put
from medpipe.core.training.loop import Line, RunOptions, Which, train

WEIGHTS: Final = "last.safetensors"


def fit(
    x: Tensor, targets: Tensor, plan: Plan, folder: Path, tell: Callable[[Line], None] = lambda line: None,
    soft: Tensor | None = None, options: RunOptions | None = None,
) -> Classifier:  # fmt: skip
    """A Classifier trained on x [n, 12, samples] and targets [n, concepts] (NaN: unknown), its weights averaged.

    `soft` [n, concepts] are probabilities that take part of the loss. `folder` gets what `loop.train` writes; a run
    resumed there ends with the same weights and lines. Raises what `loop.train` does.
    """
    source = Windows(x, _blended(targets, soft, plan.soft_share), plan)
    objective = ConceptObjective(plan)
    train(objective, source, None, plan, _Folder(folder, objective, source), options, tell=tell)
    return classifier(plan, objective.weights())


def read(plan: Plan, folder: Path) -> Classifier:
    """What `fit` left in `folder`."""
    return classifier(plan, load_file(folder / WEIGHTS))


def classifier(plan: Plan, weights: Mapping[str, Tensor]) -> Classifier:
    """A Classifier with these weights, on the CPU, in eval mode."""
    network = Classifier(plan)
    network.load_state_dict(weights)
    return network.eval()


def _blended(targets: Tensor, soft: Tensor | None, share: float) -> Tensor:
    """Targets with a share of what is soft, and that alone where nothing is known."""
    if soft is None:
        return targets
    return torch.where(torch.isnan(targets), soft, (1 - share) * targets + share * soft)


class Windows:
    """A BatchSource of windows in memory, changed at random as the plan says."""

    def __init__(self, x: Tensor, targets: Tensor, plan: Plan) -> None:
        self.x, self.targets, self.plan = x, targets, plan

    def digest(self) -> str:
        """Of windows and targets, twelve hex digits."""
        found = hashlib.sha256(self.x.contiguous().numpy().data)
        found.update(self.targets.contiguous().numpy().data)
        return found.hexdigest()[:12]

    def steps(self, world: int) -> int:
        """See BatchSource: whole batches."""
        return len(self.x) // (self.plan.batch * world)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[ConceptBatch]:
        """See BatchSource."""
        order = np.random.default_rng([self.plan.seed, epoch]).permutation(len(self.x))
        for step in range(skip, self.steps(world)):
            number = step * world + rank
            rows = torch.from_numpy(order[number * self.plan.batch : (number + 1) * self.plan.batch])
            # A batch draws by its place alone, so that none need be drawn before it.
            drawn = np.random.SeedSequence([self.plan.seed, epoch, number]).generate_state(1)[0]
            yield self._changed(self.x[rows], self.targets[rows], Generator().manual_seed(int(drawn)))

    def _changed(self, x: Tensor, targets: Tensor, generator: Generator) -> ConceptBatch:
        plan = self.plan
        x = shorten(perturb(x, generator), generator, plan.short_share)
        x, targets = mixup(x, targets, generator, plan.mixed_share)
        present = lead_subsets(len(x), generator) if plan.lead_masking else torch.ones(len(x), 12)
        return ConceptBatch(x, present, targets)


class _Folder:
    """last.safetensors and run.json."""

    def __init__(self, path: Path, objective: ConceptObjective, source: Windows) -> None:
        self.path, self._objective = path, objective
        self.described: Mapping[str, Any] = {
            "train_preset": objective.plan.facts(), "recordings": len(source.x), "data": source.digest()
        }  # fmt: skip

    def describe(self, result: Mapping[str, Any]) -> None:
        text = json.dumps({**self.described, "result": dict(result)}, indent=1).encode() + b"\n"

        def write(part: Path) -> None:
            part.write_bytes(text)

        put(self.path / "run.json", write)

    def write_weights(self, which: Which, place: Mapping[str, Any]) -> None:
        weights = {name: value.cpu().contiguous() for name, value in self._objective.weights().items()}
        put(self.path / f"{which}.safetensors", lambda part: save_file(weights, part))

    def rename_weights(self, which: Which) -> None:
        """The run stands in run.json, which `describe` writes anew."""


@torch.no_grad()
def predict(network: Classifier, x: Tensor, present: Tensor | None = None, batch: int = 128) -> Tensor:
    """Logits [n, concepts] of x [n, 12, samples]; `present` [12] is the same for all, every lead when None."""
    mask = torch.ones(12) if present is None else present
    return torch.cat([network(part, mask.expand(len(part), 12)) for part in torch.split(x, batch)])

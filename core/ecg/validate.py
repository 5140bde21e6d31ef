"""An objective judged on validation batches: mean losses, and the macro AUROC of its entities."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.core.ecg.objective import Objective
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.metrics.roc import auroc


@torch.no_grad()
def validate(
    objective: Objective, batches: Iterable[Batch], device: torch.device, precision: AbstractContextManager[object]
) -> dict[str, float | int | None]:
    """Losses, each the mean over records, without masks and dropout; with a decoder, `macro_auroc` too.

    A contrastive loss depends on the size of the batches. The area is the mean over the entities of which a
    positive and a negative are known, `entities_scored` of them; None where there is none. Leaves the objective in
    eval mode; raises ValueError for no batches.
    """
    objective.eval()
    sums: dict[str, float] = {}
    records, logits, targets = 0, [], []
    for batch in batches:
        moved = batch.to(device)
        with precision:
            losses, scores = objective(moved), objective.entity_logits(moved)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(batch)
        records += len(batch)
        if scores is not None and batch.targets is not None:
            logits.append(scores.float().cpu().numpy())
            targets.append(batch.targets.float().cpu().numpy())
    if not records:
        raise ValueError("there are no validation records")
    means: dict[str, float | int | None] = {name: value / records for name, value in sums.items()}
    if logits:
        means |= macro_auroc(np.concatenate(targets), np.concatenate(logits))
    return means


def macro_auroc(targets: NDArray[np.float32], logits: NDArray[np.float32]) -> dict[str, float | int | None]:
    """Targets (0, 1 or NaN) and logits [n, E] -> `macro_auroc` and `entities_scored`."""
    areas = []
    for truth, scores in zip(targets.T.astype(np.float64), logits.T.astype(np.float64), strict=True):
        known = ~np.isnan(truth)
        areas.append(auroc(truth[known], scores[known]))
    scored = [area for area in areas if not np.isnan(area)]
    return {"macro_auroc": float(np.mean(scored)) if scored else None, "entities_scored": len(scored)}

"""The network of the default checkpoint, out of fold by patient: `python -m medpipe.core.ecg.tenfold --out DIR`.

Every recording is judged by a network that never saw its patient. Nothing is chosen by these judgements. With soft
targets, as the shipped checkpoint has them (`train_default`), a fold takes five networks: four judge its training
recordings, each without a part of their patients, and the fifth learns from that; without, it takes one. Data from
MEDPIPE_DATA; what is finished is kept in DIR, so that a second run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.concept_objective import Plan
from medpipe.core.ecg.evaluate import pooled
from medpipe.core.ecg.fit import fit, predict
from medpipe.core.ecg.ptbxl import CONCEPTS, Recordings
from medpipe.core.ecg.train_default import PARTS
from medpipe.core.ecg.unseen_names import without_labels
from medpipe.core.training.loop import RunOptions

DEFAULT: Final = Plan(concepts=len(CONCEPTS))
LEADS: Final = {"12 leads": range(12), "I": (0,), "I, II": (0, 1)}


@dataclass(frozen=True)
class Variant:
    """What differs from the recipe.

    Attributes:
        masking: off, leads are never masked in training.
        without: concepts kept out, with all that tells them.
        folds: how many; all but one of them are learnt from.
        share: of the patients of these, how many are used.
        soft: targets are blended with the judgements of networks that never saw the patient.
    """

    masking: bool = True
    without: tuple[str, ...] = ()
    folds: int = 10
    share: float = 1.0
    soft: bool = False


def everyone() -> Recordings:
    """All recordings: those of training, of fold 9, and of other patients."""
    return pooled([ptbxl.load(part) for part in ("train", "fold9", "unseen")])


def fold_of(recordings: Recordings, folds: int = 10, seed: int = 0) -> NDArray[np.int64]:
    """The fold [n] of each recording, all of a patient in one."""
    patients, member = np.unique(recordings.patients, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(patients))
    places: NDArray[np.int64] = (order % folds)[member]
    return places


def learnt_from(recordings: Recordings, fold: int, variant: Variant) -> NDArray[np.bool_]:
    """Which recordings [n] the network of a fold is trained on: none of its patients."""
    others = np.flatnonzero(fold_of(recordings, variant.folds) != fold)
    patients = np.unique(recordings.patients[others])
    chosen = np.random.default_rng(fold).permutation(patients)[: round(variant.share * len(patients))]
    kept: NDArray[np.bool_] = np.isin(recordings.patients, chosen)
    return kept


def train_fold(fold: int, variant: Variant, plan: Plan, out: Path) -> Path:
    """Logits [leads, n, concepts] of a fold's recordings by a network that was trained on the others, in a file."""
    done = out / f"fold{fold}.npz"
    if done.exists():
        return done
    torch.set_num_threads(1)
    recordings = everyone()
    held, kept = fold_of(recordings, variant.folds) == fold, learnt_from(recordings, fold, variant)
    targets = torch.from_numpy(without_labels(recordings.targets(), variant.without)[kept])
    seen, folder, resumed = torch.from_numpy(recordings.x[kept]), out / f"fold{fold}", RunOptions(resume=True)
    soft = None
    if variant.soft:
        soft = torch.sigmoid(cross_judged(seen, targets, recordings.folds[kept] % PARTS, plan, folder))
    network = fit(seen, targets, plan, folder, soft=soft, options=resumed)
    x = torch.from_numpy(recordings.x[held])
    masks = [torch.tensor([float(row in rows) for row in range(12)]) for rows in LEADS.values()]
    logits = np.stack([predict(network, x, mask).numpy() for mask in masks])
    part = done.with_suffix(".part.npz")
    np.savez(part, logits=logits, rows=np.flatnonzero(held))
    part.replace(done)
    return done


def cross_judged(x: Tensor, targets: Tensor, part_of: NDArray[np.int64], plan: Plan, out: Path) -> Tensor:
    """Logits [n, concepts] of recordings [n, 12, time] by networks that were trained without their part [n]."""
    logits = torch.full_like(targets, float("nan"))
    for part in range(PARTS):
        held = torch.from_numpy(part_of == part)
        own = replace(plan, seed=100 * plan.seed + 10 + part)
        network = fit(x[~held], targets[~held], own, out / f"without-{part}", options=RunOptions(resume=True))
        logits[held] = predict(network, x[held])
    return logits


def judged(variant: Variant, out: Path, epochs: int = DEFAULT.epochs, jobs: int = 2) -> NDArray[np.float32]:
    """Logits [leads, n, concepts] of `everyone`, each by the network of its fold; trains what is not in `out` yet."""
    out.mkdir(parents=True, exist_ok=True)
    plan = replace(DEFAULT, epochs=epochs, lead_masking=variant.masking)
    count = variant.folds
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        plans = [replace(plan, seed=fold) for fold in range(count)]
        files = list(pool.map(train_fold, range(count), [variant] * count, plans, [out] * count))
    return gathered(files, len(everyone().x))


def gathered(files: Sequence[Path], count: int) -> NDArray[np.float32]:
    """Logits [leads, n, concepts] of all folds, in the recordings' order."""
    out = np.full((len(LEADS), count, len(CONCEPTS)), np.nan, np.float32)
    for file in files:
        with np.load(file, allow_pickle=False) as stored:
            out[:, stored["rows"]] = stored["logits"]
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of this variant's folds")
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at once, one thread each")
    parser.add_argument("--no-masking", action="store_true", help="never mask leads in training")
    parser.add_argument("--without", default="", help="concepts to keep out, commas between")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--share", type=float, default=1.0, help="of the patients to learn from")
    parser.add_argument("--soft", action="store_true", help="soft targets: five networks a fold")
    parser.add_argument("--epochs", type=int, default=DEFAULT.epochs)
    options = parser.parse_args(arguments)
    without = tuple(part for part in options.without.split(",") if part)
    variant = Variant(not options.no_masking, without, options.folds, options.share, options.soft)
    judged(variant, options.out, options.epochs, options.jobs)


if __name__ == "__main__":
    main()

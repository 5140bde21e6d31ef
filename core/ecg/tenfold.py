"""The network of the default checkpoint, ten-fold by patient: `python -m medpipe.core.ecg.tenfold --out DIR`.

Every recording here is judged by a network that never saw its patient, by the words of the query: the superclasses by
their names, and with --without names that no network was taught. Nothing is chosen by these figures. The shipped
checkpoint adds soft targets and calibration to this (`train_default`); neither is in here, so that a fold takes one
network. Data from MEDPIPE_DATA; what is finished is kept in DIR, so that a second run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.baselines import fitted, spectra
from medpipe.core.ecg.default_model import open_text_tower
from medpipe.core.ecg.evaluate import auroc, interval, macro, pooled
from medpipe.core.ecg.fit import Plan, fit, predict
from medpipe.core.ecg.phrases import name, taught
from medpipe.core.ecg.ptbxl import CONCEPTS, SUPERCLASSES, UNIONS, Recordings
from medpipe.core.ecg.text_train import TextPlan, read_phrases, share_row, train_shares
from medpipe.core.ecg.train_default import UNRELATED

FOLDS: Final = 10
LEADS: Final = {"12 leads": range(12), "I": (0,), "I, II": (0, 1)}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Variant:
    """What differs from the recipe: leads are never masked, or some concepts are kept out with all that tells them."""

    masking: bool = True
    without: tuple[str, ...] = ()

    def targets(self, recordings: Recordings) -> NDArray[np.float32]:
        """Targets [n, concepts]; those of concepts kept out, and of what contains them where they hold, unknown."""
        table = recordings.targets()
        for concept in self.without:
            holds = table[:, CONCEPTS.index(concept)] == 1
            for other in SUPERCLASSES:
                column = table[:, CONCEPTS.index(other)]
                column[holds & (column == 1)] = np.nan
            for union, parts in UNIONS.items():
                if concept in parts:
                    table[:, CONCEPTS.index(union)] = np.nan
            table[:, CONCEPTS.index(concept)] = np.nan
        return table

    def hidden_phrases(self) -> NDArray[np.bool_]:
        """Which phrases of the text side speak of a concept kept out, or of a union with it."""
        hidden = {*self.without, *(union for union, parts in UNIONS.items() if {*parts} & {*self.without})}
        return np.array([bool(hidden & set(shares)) for _, shares in taught()])


def everyone() -> Recordings:
    """All recordings: those of training, of fold 9, and of other patients."""
    return pooled([ptbxl.load(part) for part in ("train", "fold9", "unseen")])


def fold_of(recordings: Recordings, seed: int = 0) -> NDArray[np.int64]:
    """The fold [n] of each recording, all of a patient in one."""
    patients, member = np.unique(recordings.patients, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(patients))
    folds: NDArray[np.int64] = (order % FOLDS)[member]
    return folds


def train_fold(fold: int, variant: Variant, plan: Plan, out: Path) -> Path:
    """Logits [leads, n, concepts] of a fold's recordings by a network that was trained on the others, in a file."""
    done = out / f"fold{fold}.npz"
    if done.exists():
        return done
    torch.set_num_threads(1)
    recordings = everyone()
    held = fold_of(recordings) == fold
    targets = torch.from_numpy(variant.targets(recordings)[~held])
    folder = out / f"fold{fold}"
    network = fit(torch.from_numpy(recordings.x[~held]), targets, plan, folder, print, None, resume=True)
    x = torch.from_numpy(recordings.x[held])
    masks = [torch.tensor([float(row in rows) for row in range(12)]) for rows in LEADS.values()]
    logits = np.stack([predict(network, x, mask).numpy() for mask in masks])
    part = done.with_suffix(".part.npz")
    np.savez(part, logits=logits, rows=np.flatnonzero(held))
    part.replace(done)
    return done


def query_shares(variant: Variant, queries: Sequence[str]) -> NDArray[np.float32]:
    """Shares [queries, concepts + 1] of words in the concepts, by a text side that the variant's phrases taught."""
    tower = open_text_tower()
    network = train_shares(read_phrases(tower).without(variant.hidden_phrases()), TextPlan())
    vectors = torch.from_numpy(np.stack([tower.encode(query) for query in queries]))
    with torch.no_grad():
        shares: NDArray[np.float32] = torch.softmax(network(vectors), dim=1).numpy()
    return shares


def zero_shot(logits: NDArray[np.float32], shares: NDArray[np.float32]) -> Array:
    """Scores [n, queries] of logits [n, concepts]: the query head's blend, whose classifiers are linear."""
    whole = np.concatenate([logits, np.full((len(logits), 1), UNRELATED, np.float32)], axis=1)
    return (whole @ shares.T).astype(np.float64)


def gathered(files: Sequence[Path], count: int) -> NDArray[np.float32]:
    """Logits [leads, n, concepts] of all folds, in the recordings' order."""
    out = np.full((len(LEADS), count, len(CONCEPTS)), np.nan, np.float32)
    for file in files:
        with np.load(file, allow_pickle=False) as stored:
            out[:, stored["rows"]] = stored["logits"]
    return out


def ridge(recordings: Recordings, rows: Sequence[int]) -> Array:
    """Scores [n, 5] of the ridge on spectra, out of the same folds."""
    present, folds = np.isin(np.arange(12), rows), fold_of(recordings)
    scores = np.empty((len(recordings.x), len(SUPERCLASSES)))
    for fold in range(FOLDS):
        held = folds == fold
        scores[held] = fitted(spectra, recordings.select(~held), present)(recordings.select(held))
    return scores


def superclass_report(recordings: Recordings, logits: NDArray[np.float32], variant: Variant) -> list[str]:
    """Rows of a table: macro AUROC of the superclasses by text, with the ridge, for every subset of leads."""
    shares = query_shares(variant, [name(concept) for concept in SUPERCLASSES])
    truth = recordings.targets(SUPERCLASSES)
    fold9 = np.isin(recordings.patients, ptbxl.load("fold9").patients)
    rows = ["| leads | method | pooled out of fold | fold 9 |", "| --- | --- | --- | --- |"]
    for place, (leads, chosen) in enumerate(LEADS.items()):
        pair = {"text query": zero_shot(logits[place], shares), "ridge": ridge(recordings, tuple(chosen))}
        for method, scores in pair.items():
            low, high = interval(truth, scores, recordings.patients, 1000, 0)
            inside = macro(truth[fold9], scores[fold9])
            rows.append(f"| {leads} | {method} | {macro(truth, scores):.3f} [{low:.3f}, {high:.3f}] | {inside:.3f} |")
    return rows


def unseen_report(recordings: Recordings, logits: NDArray[np.float32], variant: Variant) -> list[str]:
    """Rows of a table: AUROC of each name that was kept out, by its words, by random words, by the nearest name."""
    shares = query_shares(variant, [name(concept) for concept in variant.without])
    rows = [
        "| name never taught | positives | AUROC | nearest taught name | random words |",
        "| --- | --- | --- | --- | --- |",
    ]
    rng = np.random.default_rng(0)
    for concept, share in zip(variant.without, shares, strict=True):
        truth = recordings.targets([concept])[:, 0]
        nearest = CONCEPTS[int(share[:-1].argmax())]
        chance = rng.dirichlet(np.ones(len(share)))[None].astype(np.float32)
        cells = [zero_shot(logits[0], one) for one in (share[None], share_row({nearest: 1.0})[None], chance)]
        areas = " | ".join(f"{auroc(truth, scores[:, 0]):.3f}" for scores in cells[1:])
        rows.append(f"| {concept} | {int(np.nansum(truth))} | {auroc(truth, cells[0][:, 0]):.3f} | {nearest} {areas} |")
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of this variant's folds")
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at once, one thread each")
    parser.add_argument("--no-masking", action="store_true", help="never mask leads in training")
    parser.add_argument("--without", default="", help="concepts to keep out, commas between")
    parser.add_argument("--epochs", type=int, default=Plan(0).epochs)
    options = parser.parse_args(arguments)
    variant = Variant(not options.no_masking, tuple(part for part in options.without.split(",") if part))
    plan = replace(Plan(len(CONCEPTS)), epochs=options.epochs, lead_masking=variant.masking)
    options.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        plans = [replace(plan, seed=fold) for fold in range(FOLDS)]
        files = list(pool.map(train_fold, range(FOLDS), [variant] * FOLDS, plans, [options.out] * FOLDS))
    recordings = everyone()
    logits = gathered(files, len(recordings.x))
    rows = (
        unseen_report(recordings, logits, variant)
        if variant.without
        else superclass_report(recordings, logits, variant)
    )
    print("\n".join([f"{len(recordings.x)} recordings, {json.dumps({'epochs': plan.epochs})}", "", *rows]))


if __name__ == "__main__":
    main()

"""The default checkpoint's network, ten-fold by patient over every recording here, conditions asked for by name.

No figure of this table has chosen anything: settings are those of `make checkpoint`, which were found within its own
training folds. A fold takes one network; `soft targets` is with those of the shipped checkpoint too, five networks a
fold. `no masking` is the same recipe with every lead in every training window. The ridge on spectra and lead
correlations learns from the same folds. A constant has 0.500 everywhere. Brackets: 95 % intervals from 1,000 bootstrap
samples of the patients, seed 0; differences are paired. Finer classes with at least 10 positives, records of unknown
truth left out, without soft targets. Run only when named: about an hour on two cores, with --soft four more.

Usage: python bench/tenfold.py [--soft] [FOLDER], MEDPIPE_DATA set; a second run goes on from what is in FOLDER
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.baselines import fitted, spectra
from medpipe.core.ecg.evaluate import macro
from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.ptbxl import FORMS, RHYTHMS, SUBCLASSES, SUPERCLASSES, Recordings
from medpipe.core.ecg.query_shares import TextSide, zero_shot
from medpipe.core.ecg.tenfold import LEADS, Variant, everyone, fold_of, judged
from medpipe.core.metrics.repeated import Judged, Repeated

DRAWS, SEED, LEAST = 1000, 0, 10


def ridge(recordings: Recordings, rows: Sequence[int]) -> np.ndarray:
    """Scores [n, 5] of the ridge on spectra, out of the same folds."""
    present, folds = np.isin(np.arange(12), rows), fold_of(recordings)
    scores = np.empty((len(recordings.x), len(SUPERCLASSES)))
    for fold in np.unique(folds):
        held = folds == fold
        scores[held] = fitted(spectra, recordings.select(~held), present)(recordings.select(held))
    return scores


def said(found: Repeated, column: int) -> str:
    """A value, or a paired difference, with its interval."""
    facts, metric = found.estimates(column), "auroc_difference" if found.paired else "auroc"
    sign = "+" if found.paired else ""
    low, high = facts[f"{metric}_ci95"]
    return f"{facts[metric]:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def superclasses(recordings: Recordings, variants: dict[str, np.ndarray], side: TextSide) -> None:
    shares = side.shares([name(concept) for concept in SUPERCLASSES])
    truth, patients = recordings.targets(SUPERCLASSES), [str(one) for one in recordings.patients]
    fold9 = np.isin(recordings.patients, ptbxl.load("fold9").patients)
    panel = Judged(truth, SUPERCLASSES, patients, LEAST)
    every = panel.columns.index("macro:all")
    print("| leads | method | pooled out of fold | text query minus it | fold 9 |\n| --- | --- | --- | --- | --- |")
    for place, (leads, rows) in enumerate(LEADS.items()):
        scores = {method: zero_shot(logits[place], shares) for method, logits in variants.items()}
        scores["ridge"] = ridge(recordings, tuple(rows))
        found = panel.measure({method: [one] for method, one in scores.items()}, DRAWS, SEED)
        own = found["text query"]
        for method, one in found.items():
            difference = "" if one is own else said(own.minus(one), every)
            inside = macro(truth[fold9], scores[method][fold9])
            print(f"| {leads} | {method} | {said(one, every)} | {difference} | {inside:.3f} |")


def finer(recordings: Recordings, logits: np.ndarray, side: TextSide) -> None:
    """Sub, form and rhythm with twelve leads: every class, and the mean of each group."""
    print("\n| group | class | positives | 12 leads | I | I, II |\n| --- | --- | --- | --- | --- | --- |")
    patients = [str(one) for one in recordings.patients]
    for group, concepts in {"sub": SUBCLASSES, "form": FORMS, "rhythm": RHYTHMS}.items():
        truth = recordings.targets(concepts)
        enough = np.minimum(np.nansum(truth == 1, axis=0), np.nansum(truth == 0, axis=0)) >= LEAST
        kept = [concept for concept, fine in zip(concepts, enough, strict=True) if fine]
        shares = side.shares([name(concept) for concept in kept])
        panel = Judged(truth[:, enough], kept, patients, LEAST)
        found = panel.measure({k: [zero_shot(logits[k], shares)] for k in range(len(LEADS))}, DRAWS, SEED)
        for column, concept in enumerate([*kept, "mean"]):
            hits = panel.positives[column] if column < len(kept) else ""
            print(f"| {group} | {concept} | {hits} | {' | '.join(said(one, column) for one in found.values())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--soft", action="store_true", help="with soft targets too")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1] / "out/tenfold")
    options = parser.parse_args()
    folder = options.folder
    with contextlib.redirect_stdout(sys.stderr):
        variants = {
            "text query": judged(Variant(), folder / "masked"),
            "text query, no masking": judged(Variant(masking=False), folder / "unmasked"),
        }
        if options.soft:
            variants["text query, soft targets"] = judged(Variant(soft=True), folder / "soft")
    recordings, side = everyone(), TextSide()
    print(f"{len(recordings.x)} recordings of {len(np.unique(recordings.patients))} patients\n")
    superclasses(recordings, variants, side)
    finer(recordings, variants["text query"], side)


if __name__ == "__main__":
    main()

"""The default checkpoint against its baselines: macro AUROC of the five superclasses, queries in words, one run.

Usage: python bench/default_model.py

Needs MEDPIPE_DATA. Baselines learn from the recordings that the checkpoint was trained on; both sets hold other
patients. Brackets: 95 % intervals from 1,000 bootstrap samples of the patients, seed 0; differences are paired.
The small residual network is trained here with three seeds, four minutes of one core each at most.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import small_resnet
import torch

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.baselines import fitted, spectra, untrained
from medpipe.core.ecg.default_model import DefaultModel
from medpipe.core.ecg.evaluate import LEAD_SETS, embeddings, macro, zero_shot
from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.ptbxl import SUPERCLASSES
from medpipe.core.metrics import roc
from medpipe.core.metrics.bootstrap import draw_weights

DRAWS, SEED, NETWORKS = 1000, 0, 3
LABELS = {"fold9": "fold 9", "unseen": "other unseen patients"}
OWN = "default model"


def drawn(truth: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Macro AUROC in each bootstrap draw; the same draws for every method."""
    ranked = [roc.rank(truth[:, k].astype(float), scores[:, k].astype(float)) for k in range(truth.shape[1])]
    blocks = draw_weights(len(truth), DRAWS, SEED, [str(patient) for patient in patients])
    return np.concatenate([np.mean([roc.weighted_areas(one, w)[0] for one in ranked], axis=0) for w in blocks])


def bracketed(value: float, draws: np.ndarray, sign: str = "") -> str:
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def main() -> None:
    torch.set_num_threads(1)
    train, model = ptbxl.load("train"), DefaultModel.load()
    sets = {label: ptbxl.load(label) for label in LABELS}
    queries = [name(concept) for concept in SUPERCLASSES]
    targets = torch.from_numpy(train.targets(SUPERCLASSES))
    networks = [small_resnet.train(torch.from_numpy(train.x), targets, seed) for seed in range(NETWORKS)]
    weights = sum(weight.numel() for weight in networks[0].parameters())
    print(f"checkpoint {model.sha256[:12]}; small residual network: {weights / 1e6:.2f} M weights\n")
    print("| set | leads | method | macro AUROC | default model minus it |")
    print("| --- | --- | --- | --- | --- |")
    for leads, present in LEAD_SETS.items():
        methods = {
            "constant": lambda recordings: np.zeros((len(recordings.x), len(SUPERCLASSES))),
            "ridge on log spectra and lead correlations": fitted(spectra, train, present),
            "random encoder, linear probe": fitted(untrained(SEED), train, present),
        }
        for seed, network in enumerate(networks):
            methods[f"small residual network, seed {seed}"] = lambda recordings, network=network, present=present: (
                small_resnet.scores(network, recordings.x, present)
            )
        for label, recordings in sets.items():
            truth = recordings.targets(SUPERCLASSES)
            own = zero_shot(model, embeddings(model, recordings, present), queries)
            mine, mine_drawn = macro(truth, own), drawn(truth, own, recordings.patients)
            for method, classify in methods.items():
                found = classify(recordings)
                value, draws = macro(truth, found), drawn(truth, found, recordings.patients)
                apart = bracketed(mine - value, mine_drawn - draws, "+")
                print(f"| {LABELS[label]} | {leads} | {method} | {bracketed(value, draws)} | {apart} |")
            print(f"| {LABELS[label]} | {leads} | {OWN} | {bracketed(mine, mine_drawn)} | |")


if __name__ == "__main__":
    main()

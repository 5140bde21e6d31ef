"""K-MERL, MERL with random lead dropout, MERL zero-filled and SuPreME: same recordings, same text, same budget.

PTB-XL at 100 Hz, z-scored: trained on folds 1 to 8 of `ptbxl_zscored_100hz`, tested on its fold 9 and on the patients
that only `ptbxl_raw` has. Only a fourth of the recordings have a report here, so the text of each is made of the
names of its labels; `ecg-entities` makes the targets of it. All four are ViT-tiny at the papers' size with the
settings of their presets, batch 64, and see every recording as often; the epoch is chosen on a twentieth of the
training patients. The text encoder is the default model's, frozen. Superclasses are asked for by name. MERL needs
twelve leads: those taken away are zeros to it, and to SuPreME; K-MERL reads what is there. The ridge on spectra and
lead correlations is the trivial baseline, a constant has 0.500. Means over three seeds; brackets are 95 % intervals
from 1,000 bootstrap samples of the patients, seed 0; differences are paired. Run only when named: minutes on a GPU,
many hours on two cores.

Usage: python bench/arms.py [FOLDER] [--epochs 16] [--small-data] [--device cuda] [--jobs 12], MEDPIPE_DATA set; a
second run goes on from what is in FOLDER
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import wfdb
from commands import call
from tenfold import DRAWS, LEAST, SEED, said

from medpipe.cli.predictions import read_predictions
from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.baselines import fitted, spectra
from medpipe.core.ecg.evaluate import pooled
from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.preprocess_default import LEADS
from medpipe.core.ecg.ptbxl import CONCEPTS, SUPERCLASSES, UNIONS, Recordings
from medpipe.core.metrics.repeated import Judged

SEEDS, BATCH = (0, 1, 2), 64
# In place of the papers' 1e-3 without a warm-up, which on so few recordings ends in embeddings that are all alike.
SMALL_DATA = ("lr=3e-4", "schedule=cosine", "warmup=100", "clip=1", "weight_decay=0.05", "beta2=0.98")
ARMS = {
    "K-MERL": ("kmerl", "kmerl"),
    "MERL, random lead dropout": ("merl", "merl-lead-dropout"),
    "MERL, zero-filled": ("merl", "merl"),
    "SuPreME": ("supreme", "supreme"),
}
SUBSETS = {"12": "", "I,II,V1-V6": "I,II,V1,V2,V3,V4,V5,V6", "limb6": "I,II,III,aVR,aVL,aVF", "I,II": "I,II", "I": "I"}


def write_recordings(recordings: Recordings, folder: Path, prefix: str) -> None:
    """Every window as a WFDB file, in `folder`; the padding of short ones stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, window in enumerate(recordings.x):
        wfdb.wrsamp(f"{prefix}{place:05d}", fs=100, units=["mV"] * 12, sig_name=list(LEADS), fmt=["16"] * 12,
                    p_signal=window.T.astype(float), write_dir=str(folder))  # fmt: skip


def text(known: dict[str, bool]) -> str:
    own = [name(concept) for concept in CONCEPTS if concept not in UNIONS and known.get(concept)]
    return ". ".join(own)


def prepare(folder: Path, train: Recordings, test: Recordings) -> None:
    """Recordings, reports, vocabulary and targets, by the commands."""
    if (folder / "targets.h5").exists():
        return
    write_recordings(train, folder / "train", "t")
    write_recordings(test, folder / "test", "u")
    with (folder / "reports.csv").open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["id", "patient", "report"])
        for place, (patient, known) in enumerate(zip(train.patients, train.labels, strict=True)):
            out.writerow([f"t{place:05d}", patient, text(dict(known))])
    # 1 is some failed: reports that name no entity stay without targets.
    call("ecg-entities", "extract", folder / "reports.csv", "-o", folder / "entities.jsonl", good=(0, 1))
    call("ecg-entities", "vocabulary", "--merge", "1", folder / "entities.jsonl", "-o", folder / "vocabulary.json")
    call("ecg-entities", "targets", "--vocabulary", folder / "vocabulary.json", folder / "entities.jsonl",
         "-o", folder / "targets.h5")  # fmt: skip


def train_arm(run: argparse.Namespace, arm: str, seed: int) -> Path:
    """The trained folder of an arm; goes on where it was stopped."""
    objective, preset = ARMS[arm]
    folder = run.folder
    out = folder / f"{preset}-{seed}"
    if not (out / "done").exists():
        arch = "kmerl-vit-tiny" if preset == "kmerl" else "merl-vit-tiny"
        settings = (f"arch={arch}", "text_model=default", "report_words=1", "validation_share=0.05",
                    *(SMALL_DATA if run.small_data else ()))  # fmt: skip
        call("ecg-train", folder / "train", "--objective", objective, "--preset", preset,
             "--reports", folder / "reports.csv", "--targets", folder / "targets.h5", "--by", "patient",
             "--epochs", run.epochs, "--batch-size", BATCH, "--seed", seed, "--device", run.device, "--threads", 1,
             "-j", 0, "--resume",
             *(part for setting in settings for part in ("--set", setting)), "-o", out)  # fmt: skip
        (out / "done").touch()
    return out


def predict_arm(run: argparse.Namespace, arm: str, seed: int) -> None:
    """Scores of the test recordings from every subset of leads."""
    folder, trained = run.folder, train_arm(run, arm, seed)
    for subset, leads in SUBSETS.items():
        out = trained / f"{subset}.jsonl"
        if not out.exists():
            chosen = ("--leads", leads) if leads else ()
            queries = [part for concept in SUPERCLASSES for part in ("-q", name(concept))]
            call("ecg-zeroshot", folder / "test", "--model", trained, *queries, *chosen, "--missing", "zero",
                 "--id", "stem", "--device", run.device, "-o", out)  # fmt: skip


def scores_of(path: Path) -> np.ndarray:
    stream = read_predictions(str(path))
    order = np.argsort(stream.ids)
    columns = [stream.names.index(name(concept)) for concept in SUPERCLASSES]
    found: np.ndarray = stream.scores[order][:, columns]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "out/arms")
    options.add_argument("--epochs", type=int, default=16)
    options.add_argument("--small-data", action="store_true", help="another optimisation than the papers', for all")
    options.add_argument("--device", default="cpu")
    options.add_argument("--jobs", type=int, default=2, help="trained at once")
    run = options.parse_args()
    folder = run.folder
    train, test = ptbxl.load("train"), pooled([ptbxl.load("fold9"), ptbxl.load("unseen")])
    prepare(folder, train, test)
    with ThreadPoolExecutor(run.jobs) as pool:
        work = [pool.submit(predict_arm, run, arm, seed) for seed in SEEDS for arm in ARMS]
        for one in work:
            one.result()
    panel = Judged(test.targets(SUPERCLASSES), SUPERCLASSES, [str(one) for one in test.patients], LEAST)
    every = panel.columns.index("macro:all")
    print(f"{len(train.x)} recordings to train on, {run.epochs} epochs; {len(test.x)} to test on\n")
    print("| leads | method | macro AUROC | K-MERL minus it |\n| --- | --- | --- | --- |")
    for subset, leads in SUBSETS.items():
        scores = {arm: [scores_of(folder / f"{preset}-{seed}" / f"{subset}.jsonl") for seed in SEEDS]
                  for arm, (_, preset) in ARMS.items()}  # fmt: skip
        present = np.isin(np.array(LEADS), leads.split(",")) if leads else np.ones(12, bool)
        scores["ridge"] = [fitted(spectra, train, present)(test)]
        found = panel.measure(scores, DRAWS, SEED)
        for method, one in found.items():
            difference = "" if method == "K-MERL" else said(found["K-MERL"].minus(one), every)
            print(f"| {subset} | {method} | {said(one, every)} | {difference} |")


if __name__ == "__main__":
    main()

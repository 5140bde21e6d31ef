"""Trains the default ECG checkpoint: `python -m medpipe.core.ecg.train_default --out DIR`, data from MEDPIPE_DATA.

First every training recording is judged by a network that never saw its patient (cross-fitting). Those
judgements, blended with the labels, are the targets of the members that ship, and they calibrate the scores.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.calibrate import Calibration, calibrate
from medpipe.core.ecg.concept_objective import Classifier, Plan
from medpipe.core.ecg.ensemble import Ensemble
from medpipe.core.ecg.fit import fit, predict, read
from medpipe.core.ecg.ptbxl import CONCEPTS, Recordings
from medpipe.core.training.loop import METRICS, Line, RunOptions

log = logging.getLogger("train_default")
PARTS: Final = 4
MEMBERS: Final = 1
# Logit of a query about nothing in an ECG.
UNRELATED: Final = -5.0
LEAD_I: Final = torch.eye(12)[0]
DEFAULT: Final = Plan(concepts=len(CONCEPTS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, export, and write the description."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and, below it, the runs")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=DEFAULT.epochs)
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at once, one thread each")
    options = parser.parse_args(arguments)
    runs: Path = options.out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    _log_to(runs / "train.log")
    torch.set_num_threads(1)
    plan = replace(DEFAULT, seed=options.seed, epochs=options.epochs)
    log.info("seed %d, plan %s", options.seed, json.dumps(plan.facts()))
    train = ptbxl.load("train")
    judged = cross_fitted(train, plan, runs, options.resume, options.jobs)
    _log_quality("cross-fitted", train, judged)
    calibration = calibrate(judged.numpy(), train.targets())
    ensemble = members(train, torch.sigmoid(judged), plan, runs, options.resume, options.jobs)
    publish(ensemble, calibration, plan, len(train.x), options.out)


def parts(train: Recordings) -> NDArray[np.int64]:
    """The part [n] of each recording, so that no patient is in two: PTB-XL's folds go by patient."""
    return train.folds % PARTS


def cross_fitted(train: Recordings, plan: Plan, runs: Path, resume: bool, jobs: int) -> Tensor:
    """Logits [n, concepts] of every recording by the network that was trained without its part."""
    plans = [replace(plan, seed=100 * plan.seed + 10 + part) for part in range(PARTS)]
    folders = [runs / f"without-{part}" for part in range(PARTS)]
    kept = [parts(train) != part for part in range(PARTS)]
    networks = _trained(plans, folders, kept, None, resume, jobs)
    judged = torch.full((len(train.x), len(CONCEPTS)), float("nan"))
    x = torch.from_numpy(train.x)
    for part, network in enumerate(networks):
        rows = torch.from_numpy(parts(train) == part)
        judged[rows] = predict(network, x[rows])
        single = predict(network, x[rows], LEAD_I)
        log.info("without part %d: lead I %.4f", part, _quality(train.targets()[rows.numpy()], single))
    return judged


def members(train: Recordings, soft: Tensor, plan: Plan, runs: Path, resume: bool, jobs: int) -> Ensemble:
    """The networks that ship, trained on all recordings and on the soft targets [n, concepts]."""
    plans = [replace(plan, seed=100 * plan.seed + 50 + member) for member in range(MEMBERS)]
    folders = [runs / f"member-{member}" for member in range(MEMBERS)]
    everyone = np.ones(len(train.x), bool)
    return Ensemble(_trained(plans, folders, [everyone] * MEMBERS, soft, resume, jobs))


def publish(ensemble: Ensemble, calibration: Calibration, plan: Plan, recordings: int, folder: Path) -> None:
    """All files of the checkpoint, into `folder`."""
    from safetensors.numpy import load_file

    from medpipe.core.ecg.default_model import NETWORK, QUERIES, TEXT, TOKENIZER
    from medpipe.core.ecg.export import parity, write_description, write_network, write_queries
    from medpipe.core.ecg.text_pack import write_text_tower
    from medpipe.core.ecg.text_tower import TextTower
    from medpipe.core.ecg.text_train import TextPlan, head_weights, read_phrases, train_shares

    encoder = ensemble.encoder()
    write_network(encoder, folder / NETWORK)
    example, present = torch.randn(4, 12, 1000), (torch.rand(4, 12) > 0.5).float()
    log.info("torch and onnx differ by %.1e", parity(encoder, folder, example, present))
    write_text_tower(folder)
    tower = TextTower(load_file(folder / TEXT), folder / TOKENIZER)
    network = train_shares(read_phrases(tower), TextPlan(seed=plan.seed))
    weights, biases = calibration.apply(*ensemble.classifiers())
    write_queries(head_weights(network, weights, biases, UNRELATED), folder / QUERIES)
    facts = {"training": {"data": "PTB-XL, folds 1 to 8 of the z-scored recordings", "recordings": recordings,
                          "plan": plan.facts(), "parts": PARTS, "members": MEMBERS}}  # fmt: skip
    write_description(folder, encoder.dim, facts)
    log.info("checkpoint in %s", folder)


def _trained(
    plans: Sequence[Plan], folders: Sequence[Path], kept: Sequence[NDArray[np.bool_]], soft: Tensor | None,
    resume: bool, jobs: int,
) -> list[Classifier]:  # fmt: skip
    """One network for each plan, `jobs` at a time, each in its own process on one thread."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        count = len(plans)
        list(pool.map(_train_one, plans, folders, kept, [soft] * count, [resume] * count))
    return [read(plan, folder) for plan, folder in zip(plans, folders, strict=True)]


def _train_one(plan: Plan, folder: Path, kept: NDArray[np.bool_], soft: Tensor | None, resume: bool) -> None:
    torch.set_num_threads(1)
    _log_to(folder.parent / "train.log")
    train = ptbxl.load("train").select(kept)
    x, targets = torch.from_numpy(train.x), torch.from_numpy(train.targets())
    wanted = None if soft is None else soft[torch.from_numpy(kept)]

    def tell(line: Line) -> None:
        log.info("%s: step %d, loss %.4f", folder.name, line["step"], line["loss"])

    fit(x, targets, plan, folder, tell, wanted, RunOptions(resume=resume, log_every=len(x) // plan.batch))
    _draw(folder)


def _draw(folder: Path) -> None:
    from medpipe.core.draw.curves import draw_curves
    from medpipe.core.draw.render import render

    lines = [json.loads(line) for line in (folder / METRICS).read_text("utf-8").splitlines()]
    picture = render(draw_curves(lines, folder.name), "png", dpi=130)
    (folder / "curves.png").write_bytes(picture)


def _quality(truth: NDArray[np.float32], logits: Tensor) -> float:
    from medpipe.core.ecg.evaluate import macro

    return macro(truth[:, :5], logits.numpy()[:, :5])


def _log_quality(what: str, train: Recordings, logits: Tensor) -> None:
    log.info("%s: macro AUROC of the superclasses %.4f", what, _quality(train.targets(), logits))


def _log_to(path: Path) -> None:
    if log.handlers:
        return
    log.setLevel(logging.INFO)
    for handler in (logging.FileHandler(path), logging.StreamHandler()):
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)


if __name__ == "__main__":
    main()

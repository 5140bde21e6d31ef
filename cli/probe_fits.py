"""The fits of a probe: every method with every fraction of the training labels and every seed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.exits import Fatal
from medpipe.cli.probe_features import ProbeFeatures
from medpipe.cli.signals import StopRequest
from medpipe.core.ecg.probe import Probed, Sample, nested_subsets, probe_logistic
from medpipe.core.ecg.spectral_ridge import probe_ridge

METHODS = ("model", "random", "ridge", "constant")
RELEASED = "merl-released"
# What the number is that a method chose, and by whose labels, in the honest protocol and in MERL's.
CHOICES = {"model": "strength", "random": "strength", "ridge": "penalty"}
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Task:
    """Labels [n, classes], patients [n], and the rows of each part."""

    labels: NDArray[np.float32]
    patients: list[str]
    train: Rows
    val: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of one seed, and on how many labels of each class [classes] it rests."""

    probed: Probed
    records: int
    known: NDArray[np.intp]
    positives: NDArray[np.intp]


Fits = dict[tuple[str, float], list[Fit]]


def fit_all(
    task: Task, features: ProbeFeatures, fractions: list[float], seeds: int, protocol: str, quiet: bool
) -> Fits:
    """Every method, fraction and seed; Fatal with the signal's code when one asks to stop."""
    stop = StopRequest()
    stop.install()
    found: Fits = {(method, fraction): [] for method in METHODS for fraction in fractions}
    bar = _progress(len(list(_plan(fractions, seeds, protocol))), quiet)
    patients = [task.patients[row] for row in task.train]
    subsets = [nested_subsets(patients, fractions, seed) for seed in range(seeds)]
    for method, fraction, seed in _plan(fractions, seeds, protocol):
        if stop.asked:
            raise Fatal(stop.exit_code, "stopped before the end; nothing was written")
        rows = task.train[subsets[seed][fraction]]
        probed = _fit(method, task, features, rows, seed, protocol)
        labels = task.labels[rows]
        known, positives = np.isfinite(labels).sum(axis=0), (labels == 1).sum(axis=0)
        found[method, fraction].append(Fit(probed, len(rows), known, positives))
        if bar is not None:
            bar.update()
    if bar is not None:
        bar.close()
    return found


def _plan(fractions: list[float], seeds: int, protocol: str) -> Iterator[tuple[str, float, int]]:
    """Where a seed changes nothing, it runs once: all of the labels, and a solver that draws nothing."""
    for fraction in fractions:
        for method in METHODS:
            drawn = method == "random" or (method == "model" and protocol == RELEASED)
            once = fraction == 1 and not drawn
            yield from ((method, fraction, seed) for seed in range(1 if once else seeds))


def _fit(method: str, task: Task, features: ProbeFeatures, rows: Rows, seed: int, protocol: str) -> Probed:
    if method == "constant":
        learnt = Sample(np.empty((len(rows), 0)), task.labels[rows]).learnable()
        return Probed(np.zeros(task.labels[task.test].shape), None, learnt)
    given = {"model": features.model, "random": features.random[:, seed], "ridge": features.spectra}[method]
    train = Sample(given[rows], task.labels[rows])
    if protocol == RELEASED and method != "ridge":
        from medpipe.core.ecg.probe_released import probe_released

        return probe_released(train, Sample(given[task.test], task.labels[task.test]), seed)
    val = Sample(given[task.val], task.labels[task.val])
    return (probe_ridge if method == "ridge" else probe_logistic)(train, val, given[task.test])


def choice(method: str, protocol: str) -> tuple[str, str] | None:
    """The name of what a method chooses, and the part of the data that it is chosen on; None for no choice."""
    if method == "constant":
        return None
    if protocol == RELEASED and method != "ridge":
        return "epoch", "test"
    return CHOICES[method], "val"


def _progress(total: int, quiet: bool) -> Any:
    if quiet or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(total=total, unit=" fits", desc="ecg-probe", dynamic_ncols=True, file=sys.stderr)

"""Scores, seconds and memory of ridge regression: medpipe's against himalaya's RidgeCV, in one run on the same files.

Usage: python bench/fmri_ridge.py [--small]     (needs pip install himalaya)

Five stories of 200 volumes, 100 features at delays of 1 to 4 volumes, 20,000 voxels of which half respond at an
explainable variance of 0.05; a sixth story is held out. Ten penalties, each story held out once, an intercept,
float32. Every figure is of a fresh process on one thread, from the files to the held-out story's scores, imports
excluded; the methods take turns over three rounds, and the median counts. Memory is the largest resident set of the
process, imports included. RidgeCV is asked twice: as it comes, and with blocks of as many voxels as medpipe's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from process import ONE_THREAD

STORIES, TIMES, FEATURES, DELAYS = 5, 200, 100, (1, 2, 3, 4)
VOXELS, SMALL, ROUNDS, EV = 20_000, 2_000, 3, 0.05
ALPHAS = np.logspace(2, 6, 10)
BLOCK = 1024
# The same scores to this, not slower, at most this share of the memory.
TOLERANCE, MOST_TIME, MOST_MEMORY = 1e-4, 1.0, 0.5


def simulate(folder: Path, voxels: int) -> None:
    """Delayed features and responses of each story, float32; responses in HDF5, as run files are."""
    import h5py

    from medpipe.core.fmri.delays import delayed

    rng = np.random.default_rng(0)
    weights = rng.standard_normal((FEATURES * len(DELAYS), voxels)).astype(np.float32)
    weights *= (rng.random(voxels) < 0.5) * np.sqrt(EV / len(weights), dtype=np.float32)
    for story in range(STORIES + 1):
        features = delayed(rng.standard_normal((TIMES, FEATURES)), DELAYS)
        responses = features @ weights + np.sqrt(1 - EV) * rng.standard_normal((TIMES, voxels), np.float32)
        np.save(folder / f"x{story}.npy", features)
        with h5py.File(folder / f"y{story}.h5", "w") as file:
            file.create_dataset("responses", data=responses, dtype="<f4")


def resident_mib() -> float:
    """The largest resident set; getrusage would count what the parent held when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) / 1024


# Each method gives None once it has imported what it needs, then R2, r, cross-validated scores and penalties.
def ours(folder: Path) -> Iterator[tuple[np.ndarray, ...] | None]:
    import h5py

    from medpipe.core.fmri.ridge import fit_ridge
    from medpipe.core.fmri.voxel_scores import correlation, explained

    yield None
    files = [h5py.File(folder / f"y{story}.h5") for story in range(STORIES + 1)]
    features = [np.load(folder / f"x{story}.npy") for story in range(STORIES + 1)]
    responses = [file["responses"] for file in files]
    fit = fit_ridge(features[:-1], responses[:-1], ALPHAS, BLOCK)
    predicted = fit.predict(features[-1])
    r2, r = np.empty((2, predicted.shape[1]))
    for start in range(0, len(r), BLOCK):
        columns = slice(start, start + BLOCK)
        true = responses[-1][:, columns]
        r2[columns], r[columns] = explained(true, predicted[:, columns]), correlation(true, predicted[:, columns])
    yield r2, r, fit.cv_scores, fit.alphas


def theirs(folder: Path, **params: int) -> Iterator[tuple[np.ndarray, ...] | None]:
    import h5py
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import correlation_score, r2_score
    from sklearn.model_selection import PredefinedSplit

    yield None
    features = [np.load(folder / f"x{story}.npy") for story in range(STORIES + 1)]
    responses = np.empty((STORIES * TIMES, h5py.File(folder / "y0.h5")["responses"].shape[1]), np.float32)
    for story in range(STORIES):
        with h5py.File(folder / f"y{story}.h5") as file:
            file["responses"].read_direct(responses, dest_sel=np.s_[story * TIMES : (story + 1) * TIMES])
    split = PredefinedSplit(np.repeat(np.arange(STORIES), TIMES))
    model = RidgeCV(ALPHAS, fit_intercept=True, cv=split, solver_params={"warn": False, **params})
    model.fit(np.concatenate(features[:-1]), responses)
    predicted = model.predict(features[-1])
    with h5py.File(folder / f"y{STORIES}.h5") as file:
        true = file["responses"][()]
    yield r2_score(true, predicted), correlation_score(true, predicted), model.cv_scores_, model.best_alphas_


METHODS = {
    "medpipe": ours,
    "RidgeCV": theirs,
    "RidgeCV in blocks": lambda folder: theirs(folder, n_targets_batch=BLOCK, n_targets_batch_refit=BLOCK),
}


def one(method: str, folder: Path) -> None:
    """Run one method in this process, tell seconds and MiB, and leave its scores."""
    steps = METHODS[method](folder)
    next(steps)
    start = time.perf_counter()
    scores = next(steps)
    figures = {"seconds": time.perf_counter() - start, "mib": resident_mib()}
    np.save(folder / f"{method}.npy", np.stack(scores))
    print(json.dumps(figures))


def measure(method: str, folder: Path) -> dict[str, float]:
    """Seconds and MiB of one fresh process."""
    command = [sys.executable, __file__, "--one", method, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD})
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    small = "--small" in sys.argv
    voxels, rounds = (SMALL, 1) if small else (VOXELS, ROUNDS)
    found: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, voxels)
        for _ in range(rounds):
            for method, runs in found.items():
                runs.append(measure(method, folder))
        scores = {method: np.load(folder / f"{method}.npy") for method in METHODS}
    seconds = {method: statistics.median(run["seconds"] for run in runs) for method, runs in found.items()}
    mib = {method: max(run["mib"] for run in runs) for method, runs in found.items()}
    print(f"| {voxels} voxels | s | MiB | difference of R2 | of r | of the cross-validated score | penalties alike |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for method in METHODS:
        apart = np.abs(scores[method][:3] - scores["medpipe"][:3]).max(axis=1)
        alike = np.isclose(scores[method][3], scores["medpipe"][3], rtol=1e-5).mean()
        differences = " | ".join(f"{value:.1e}" for value in apart)
        print(f"| {method} | {seconds[method]:.2f} | {mib[method]:.0f} | {differences} | {alike:.4f} |")
    time_share = seconds["medpipe"] / min(value for method, value in seconds.items() if method != "medpipe")
    memory_share = mib["medpipe"] / min(value for method, value in mib.items() if method != "medpipe")
    print(
        f"\nOf the faster of the two the time is {time_share:.2f} (bar {MOST_TIME:g}), of the leaner the memory "
        f"{memory_share:.2f} (bar {MOST_MEMORY:g}); differences: bar {TOLERANCE:g}."
    )


if __name__ == "__main__":
    if "--one" in sys.argv:
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        main()

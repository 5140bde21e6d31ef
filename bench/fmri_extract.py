"""Seconds and memory of extraction: fmri-extract against nilearn's NiftiMasker, in one run on the same files.

Usage: python bench/fmri_extract.py [--small]     (needs pip install -e ".[bench]")

A simulated run of 84x84x54 voxels and 240 volumes, int16, 3 mm, TR 2 s, with drift, 24 confounds that leak into it,
and noise; about 97,000 voxels in the mask. Every figure is of a fresh process on one thread, imports excluded: from the
path of the image to the responses, which fmri-extract writes to HDF5 and syncs to the disk, while NiftiMasker keeps
them in memory. The methods take turns over five rounds, and the median counts. Cleaned: linear detrending, cosine
high-pass at 0.01 Hz, 24 confounds, z-score. Memory is the largest resident set of the process; 2400 volumes are 1.8 GB.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from process import ONE_THREAD

SHAPE, TR, PERIOD, ROUNDS = (84, 84, 54), 2.0, 100.0, 5
SMALL = (40, 40, 30)
# Ratios that are asked for: (suffix, cleaned) -> times nilearn's throughput.
BARS = {(".nii", False): 8.0, (".nii.gz", False): 2.5, (".nii", True): 5.0, (".nii.gz", True): 2.0}
TOLERANCE = {False: 1e-5, True: 1e-4}
MOST_MIB, GROWTH = 200, 1.1


def simulate(folder: Path, shape: tuple[int, int, int], count: int) -> None:
    """bold.nii, bold.nii.gz, mask.nii and confounds.tsv; written volume by volume."""
    import nibabel
    from isal import igzip
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij"))
    brain = (grid**2).sum(axis=0) < 0.63
    nibabel.save(nibabel.Nifti1Image(brain.astype(np.uint8), affine), folder / "mask.nii")
    # Not as slow as the cosines: NiftiMasker leaves its own out where a confound is like one of them.
    motion = lfilter([1], [1, -0.8], rng.normal(0, 0.02, (count, 6)), axis=0)
    table, names = expanded(motion)
    np.savetxt(folder / "confounds.tsv", table, delimiter="\t", header="\t".join(names), comments="", fmt="%.8f")
    leak = rng.normal(0, 20, (6, *shape)).astype(np.float32)
    level = np.where(brain, 850, 60).astype(np.float32)
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*shape, count))
    header.set_zooms((3, 3, 3, TR))
    header.set_xyzt_units("mm", "sec")
    header.set_sform(affine, 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    streams = [(folder / "bold.nii").open("wb"), igzip.open(folder / "bold.nii.gz", "wb", compresslevel=2)]
    for stream in streams:
        stream.write(header.binaryblock + b"\0" * 4)
    for time_point in range(count):
        volume = level + np.tensordot(motion[time_point].astype(np.float32), leak, 1)
        volume += rng.normal(0, 25, shape).astype(np.float32) + 30 * time_point / count
        for stream in streams:
            stream.write(volume.astype("<i2").tobytes(order="F"))
    for stream in streams:
        stream.close()


def expanded(motion: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The 24 confounds of six parameters, with fMRIPrep's names."""
    change = np.diff(motion, axis=0, prepend=motion[:1])
    parts = {"": motion, "_derivative1": change, "_power2": motion**2, "_derivative1_power2": change**2}
    six = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    return np.concatenate(list(parts.values()), axis=1), [f"{name}{suffix}" for suffix in parts for name in six]


def resident_mib() -> float:
    """The largest resident set; getrusage would count what the parent held when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) / 1024


def ours(image: Path, mask: Path, table: Path, out: Path, *, cleaned: bool) -> dict[str, float]:
    import isal.igzip_threaded  # noqa: F401
    import nibabel  # noqa: F401

    from medpipe.cli.fmri_scan_options import ScanOptions
    from medpipe.cli.fmri_setup import extract
    from medpipe.cli.fmri_treatment import Treatment
    from medpipe.cli.options import RunOptions

    given, treatment = ScanOptions(mask=str(mask)), Treatment()
    if cleaned:
        given = ScanOptions(mask=str(mask), confounds=str(table))
        treatment = Treatment(strategy="24p", detrend=("poly:1", f"cosine:{PERIOD}"), zscore=True)
    # Freeing the blocks of an earlier round is not of this one.
    out.unlink(missing_ok=True)
    start = time.perf_counter()
    code = extract("fmri-extract", RunOptions(inputs=[str(image)], output=str(out)), given, treatment)
    taken = time.perf_counter() - start
    if code:
        raise SystemExit(f"fmri-extract ended with {code}")
    return {"seconds": taken, "mib": resident_mib()}


def theirs(image: Path, mask: Path, table: Path, out: Path, *, cleaned: bool) -> dict[str, float]:
    from nilearn.maskers import NiftiMasker

    options = {"standardize": None, "detrend": False}
    if cleaned:
        options = {
            "standardize": "zscore_sample", "detrend": True, "high_pass": 1 / PERIOD, "t_r": TR,
            "clean_args": {"filter": "cosine"},
        }  # fmt: skip
    confounds = np.loadtxt(table, skiprows=1) if cleaned else None
    start = time.perf_counter()
    made = NiftiMasker(mask_img=str(mask), **options).fit().transform(str(image), confounds=confounds)
    figures = {"seconds": time.perf_counter() - start, "mib": resident_mib()}
    np.save(out, made)
    return figures


METHODS = {"ours": (ours, "h5"), "theirs": (theirs, "npy")}


def measure(method: str, folder: Path, suffix: str, *, cleaned: bool) -> dict[str, float]:
    """Seconds and MiB of one fresh process."""
    command = [sys.executable, __file__, "--one", method, str(folder), suffix, str(int(cleaned))]
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def result(method: str, folder: Path, suffix: str, *, cleaned: bool) -> Path:
    return folder / f"{method}{suffix}.{'cleaned' if cleaned else 'plain'}.{METHODS[method][1]}"


def one(method: str, folder: Path, suffix: str, *, cleaned: bool) -> None:
    sides = folder / f"bold{suffix}", folder / "mask.nii", folder / "confounds.tsv"
    out = result(method, folder, suffix, cleaned=cleaned)
    print(json.dumps(METHODS[method][0](*sides, out, cleaned=cleaned)))


def difference(folder: Path, suffix: str, *, cleaned: bool) -> float:
    """The largest between the two, of uncleaned values relative to them."""
    import h5py

    with h5py.File(result("ours", folder, suffix, cleaned=cleaned)) as file:
        left = file["responses"][()]
    right = np.load(result("theirs", folder, suffix, cleaned=cleaned))
    scale = 1.0 if cleaned else np.maximum(np.abs(right), 1e-6)
    return float((np.abs(left - right) / scale).max())


def compare(folder: Path, suffix: str, rounds: int, *, cleaned: bool) -> str:
    found = {method: [] for method in METHODS}
    for _ in range(rounds):
        for method, runs in found.items():
            runs.append(measure(method, folder, suffix, cleaned=cleaned))
    left, right = (statistics.median(run["seconds"] for run in runs) for runs in found.values())
    mib = " | ".join(f"{max(run['mib'] for run in runs):.0f}" for runs in found.values())
    apart = f"{difference(folder, suffix, cleaned=cleaned):.1e} | {TOLERANCE[cleaned]:.0e}"
    ratio = f"{right / left:.1f} | {BARS[suffix, cleaned]}"
    return f"| {suffix} | {'yes' if cleaned else 'no'} | {left:.2f} | {right:.2f} | {ratio} | {apart} | {mib} |"


def main() -> None:
    shape, counts, rounds = (SMALL, (120, 360), 1) if "--small" in sys.argv else (SHAPE, (240, 2400), ROUNDS)
    peaks = {}
    print("| file | cleaned | fmri-extract, s | NiftiMasker, s | ratio | bar | difference | bar | MiB | its MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            simulate(folder, shape, count)
            for suffix, cleaned in BARS:
                if count == counts[0]:
                    print(compare(folder, suffix, rounds, cleaned=cleaned), flush=True)
                peaks[suffix, cleaned, count] = measure("ours", folder, suffix, cleaned=cleaned)
                result("ours", folder, suffix, cleaned=cleaned).unlink()
    print(f"\n| file | cleaned | MiB at {counts[0]} volumes | at {counts[1]} | s at {counts[1]} | bar |")
    print("| --- | --- | --- | --- | --- | --- |")
    for suffix, cleaned in BARS:
        few, many = (peaks[suffix, cleaned, count] for count in counts)
        figures = f"{few['mib']:.0f} | {many['mib']:.0f} | {many['seconds']:.1f}"
        print(f"| {suffix} | {'yes' if cleaned else 'no'} | {figures} | {MOST_MIB} MiB, and {GROWTH} times |")


if __name__ == "__main__":
    if "--one" in sys.argv:
        method, where, suffix, cleaned = sys.argv[2:]
        one(method, Path(where), suffix, cleaned=cleaned == "1")
    else:
        main()

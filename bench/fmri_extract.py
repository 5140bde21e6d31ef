"""Seconds and memory of extraction: fmri-extract against nilearn's NiftiMasker, in one run on the same files.

Usage: python bench/fmri_extract.py [--small]     (needs pip install -e ".[bench]")

A simulated run of 84x84x54 voxels and 240 volumes, int16, 3 mm, TR 2 s, mask of 97,000 voxels, with drift, 24 confounds
that leak into it, and noise. Every figure is of a fresh process, imports excluded: from the path of the image to the
responses, which fmri-extract writes to HDF5 and syncs to the disk while NiftiMasker keeps them in memory. The methods take
turns over five rounds, and the median counts. Cleaned: linear detrending, cosine high-pass at 0.01 Hz, 24 confounds,
z-score. Memory is the largest resident set of the process; 2400 volumes are a file of 1.8 GB.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

SHAPE, TR, PERIOD, ROUNDS = (84, 84, 54), 2.0, 100.0, 5
SMALL = (40, 40, 30)
# Ratios that are asked for: (suffix, cleaned) -> times nilearn's throughput.
BARS = {(".nii", False): 8.0, (".nii.gz", False): 2.5, (".nii", True): 5.0, (".nii.gz", True): 2.0}
TOLERANCE = {False: 1e-5, True: 1e-4}
MOST_MIB, GROWTH = 200, 1.1


def simulate(folder: Path, shape: tuple[int, int, int], count: int, *, packed: bool) -> None:
    """bold.nii, with `packed` bold.nii.gz too, mask.nii and confounds.tsv; written volume by volume."""
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
    streams = [(folder / "bold.nii").open("wb")]
    if packed:
        streams.append(igzip.open(folder / "bold.nii.gz", "wb", compresslevel=2))
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


def ours(image: Path, mask: Path, table: Path, out: Path, *, cleaned: bool) -> tuple[float, np.ndarray | None]:
    import h5py
    import isal.igzip_threaded
    import nibabel  # noqa: F401

    import medpipe.cli.fmri_setup
    from medpipe.cli.options import RunOptions

    given = medpipe.cli.fmri_setup.Given(
        mask=str(mask), labels=None, confounds=str(table) if cleaned else None, strategy="24p" if cleaned else None,
        drop=0, scrub=None, detrend=("poly:1", f"cosine:{PERIOD}") if cleaned else (), low_pass=None, zscore=cleaned,
        fwhm=None, tr=None, bad_voxels="zero", bids=None, subject=None, task=None, session=None, run=None, space=None,
    )  # fmt: skip
    # Freeing the blocks of an earlier round is not of this one.
    out.unlink(missing_ok=True)
    start = time.perf_counter()
    code = medpipe.cli.fmri_setup.extract("fmri-extract", RunOptions(inputs=[str(image)], output=str(out)), given)
    taken = time.perf_counter() - start
    if code:
        raise SystemExit(f"fmri-extract ended with {code}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours.peak = peak  # type: ignore[attr-defined]  # before the comparison reads everything
    with h5py.File(out) as file:
        return taken, file["responses"][()] if file["responses"].size < 5e7 else None


def theirs(image: Path, mask: Path, table: Path, out: Path, *, cleaned: bool) -> tuple[float, np.ndarray | None]:
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
    taken = time.perf_counter() - start
    theirs.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # type: ignore[attr-defined]
    return taken, made


METHODS = {"ours": ours, "theirs": theirs}


def measure(method: str, folder: Path, suffix: str, *, cleaned: bool) -> dict[str, float]:
    """Seconds and MiB of one fresh process."""
    command = [sys.executable, __file__, "--one", method, str(folder), suffix, str(int(cleaned))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one(method: str, folder: Path, suffix: str, *, cleaned: bool) -> None:
    out = folder / f"{method}{suffix}{int(cleaned)}"
    call = METHODS[method]
    taken, made = call(
        folder / f"bold{suffix}", folder / "mask.nii", folder / "confounds.tsv", out.with_name(out.name + ".h5"),
        cleaned=cleaned,
    )  # fmt: skip
    if made is not None:
        np.save(out.with_name(out.name + ".npy"), made)
    print(json.dumps({"seconds": taken, "mib": call.peak / 1024}))  # type: ignore[attr-defined]


def difference(folder: Path, suffix: str, *, cleaned: bool) -> float:
    """The largest between the two, of uncleaned values relative to them."""
    left, right = (np.load(folder / f"{name}{suffix}{int(cleaned)}.npy") for name in ("ours", "theirs"))
    scale = 1.0 if cleaned else np.maximum(np.abs(right), 1e-6)
    return float((np.abs(left - right) / scale).max())


def main() -> None:
    small = "--small" in sys.argv
    shape, counts, rounds = (SMALL, (120, 360), 1) if small else (SHAPE, (240, 2400), ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, shape, counts[0], packed=True)
        print("| file | cleaned | fmri-extract, s | NiftiMasker, s | ratio | bar | difference | MiB | NiftiMasker, MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for (suffix, cleaned), bar in BARS.items():
            found = {method: [] for method in METHODS}
            for _ in range(rounds):
                for method in METHODS:
                    found[method].append(measure(method, folder, suffix, cleaned=cleaned))
            left, right = (statistics.median(run["seconds"] for run in found[method]) for method in METHODS)
            apart = difference(folder, suffix, cleaned=cleaned)
            mib = [max(run["mib"] for run in found[method]) for method in METHODS]
            print(
                f"| {suffix} | {'yes' if cleaned else 'no'} | {left:.2f} | {right:.2f} | {right / left:.1f} | {bar} |"
                f" {apart:.1e} (bar {TOLERANCE[cleaned]:.0e}) | {mib[0]:.0f} | {mib[1]:.0f} |"
            )
            sys.stdout.flush()
    print(f"\n| file | cleaned | MiB at {counts[0]} volumes | at {counts[1]} | bars |")
    print("| --- | --- | --- | --- | --- |")
    peaks = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            simulate(Path(name), shape, count, packed=True)
            for suffix, cleaned in BARS:
                peaks[suffix, cleaned, count] = measure("ours", Path(name), suffix, cleaned=cleaned)["mib"]
    for suffix, cleaned in BARS:
        pair = [peaks[suffix, cleaned, count] for count in counts]
        bars = f"{MOST_MIB}, and {GROWTH} times"
        print(f"| {suffix} | {'yes' if cleaned else 'no'} | {pair[0]:.0f} | {pair[1]:.0f} | {bars} |")


if __name__ == "__main__":
    if "--one" in sys.argv:
        method, where, suffix, cleaned = sys.argv[2:]
        one(method, Path(where), suffix, cleaned=cleaned == "1")
    else:
        main()

"""Records per second of CPU time: WFDB reading here against wfdb.rdsamp, in one run on one core.

Usage: python bench/wfdb_read.py

Real records are the 500 Hz ones of PTB-XL under MEDPIPE_DATA (12 leads, 10 s, format 16); the other rows are
simulated records of the same size. Rounds of both readers alternate, and the best round of each counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import wfdb
from numpy.typing import NDArray

from medpipe.formats.wfdb_record import open_wfdb

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLES = 5000
COPIES = 40
ROUNDS = 5


def ours(stem: str) -> NDArray[np.float32]:
    ecg = open_wfdb(stem)
    return ecg.read(0, ecg.samples)


def theirs(stem: str) -> NDArray[np.float64]:
    return wfdb.rdsamp(stem)[0]


def rate(read: Callable[[str], object], stems: list[str]) -> float:
    start = time.process_time()
    for stem in stems:
        read(stem)
    return len(stems) / (time.process_time() - start)


def compare(name: str, stems: list[str]) -> str:
    apart = max(float(np.nanmax(np.abs(ours(stem) - theirs(stem).T))) for stem in stems)
    fast, slow = [], []
    for _ in range(ROUNDS):
        fast.append(rate(ours, stems))
        slow.append(rate(theirs, stems))
    return f"| {name} | {max(fast):.0f} | {max(slow):.0f} | {max(fast) / max(slow):.1f} | {apart:.1e} |"


def simulated(folder: Path, number: int, counts: NDArray[np.int64], extra: str = "", suffix: str = "dat") -> list[str]:
    packed = {
        16: lambda c: c.astype("<i2"),
        61: lambda c: c.astype(">i2"),
        32: lambda c: c.astype("<i4"),
        212: pack_212,
    }
    data = packed[number](counts).tobytes()
    stems = []
    for copy in range(COPIES):
        name = f"s{number}{suffix}{copy}"
        lines = [f"{name} {len(LEADS)} 500 {SAMPLES}"]
        for lead, column in zip(LEADS, counts.T, strict=True):
            checksum = int(column.sum()) % 65536
            lines.append(f"{name}.{suffix} {number}{extra} 200(0)/mV 12 0 {column[0]} {checksum} 0 {lead}")
        (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
        (folder / f"{name}.{suffix}").write_bytes(b"\0" * (24 if extra else 0) + data)
        stems.append(str(folder / name))
    return stems


def pack_212(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    first, second = (counts.reshape(-1, 2) & 0xFFF).T
    return np.stack([first & 0xFF, first >> 8 | (second >> 8) << 4, second & 0xFF], axis=1).astype(np.uint8)


def segmented(folder: Path, stems: list[str]) -> list[str]:
    masters = []
    for place, stem in enumerate(stems):
        name = Path(stem).name
        lines = [f"m{place}/2 {len(LEADS)} 500 {2 * SAMPLES}", f"{name} {SAMPLES}", f"{name} {SAMPLES}"]
        (folder / f"m{place}.hea").write_text("\n".join(lines) + "\n")
        masters.append(str(folder / f"m{place}"))
    return masters


def main() -> None:
    print("| record | medpipe, records/s | wfdb.rdsamp, records/s | ratio | largest difference, mV |")
    print("| --- | --- | --- | --- | --- |")
    if "MEDPIPE_DATA" in os.environ:
        real = sorted((Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw/records500").rglob("*.hea"))
        print(compare(f"PTB-XL, format 16, {len(real)} records", [str(path.with_suffix("")) for path in real]))
    else:
        print("MEDPIPE_DATA is not set: no real records", file=sys.stderr)
    counts = np.random.default_rng(0).integers(-2000, 2000, (SAMPLES, len(LEADS)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = simulated(folder, 16, counts)
        print(compare("simulated, format 16", plain))
        print(compare("simulated, format 16 in .mat", simulated(folder, 16, counts, "+24", "mat")))
        for number in (61, 32, 212):
            print(compare(f"simulated, format {number}", simulated(folder, number, counts)))
        print(compare("simulated, format 16, two segments", segmented(folder, plain)))


if __name__ == "__main__":
    main()

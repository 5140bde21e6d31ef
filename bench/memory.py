"""Memory that a record costs: the peak over the whole process group at 1,000 and at 20,000 records.

Usage: python bench/memory.py [--small]

Two workers, 5 % bad inputs, JSON Lines and HDF5 out. The sum of proportional set sizes is sampled every 20 ms
(shared pages count once), so a peak is what the group really took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from process import BIN, ONE_THREAD

from medpipe.formats.leads import STANDARD_12
from medpipe.formats.wfdb_write import write_wfdb

SIZES = (1_000, 20_000)
BAR = 200


def make_records(folder: Path, count: int) -> Path:
    """A list of `count` inputs: hard links to one short recording, every twentieth to a truncated one."""
    rng = np.random.default_rng(0)
    for name in ("good", "bad"):
        write_wfdb(
            folder, name, rng.normal(0, 0.3, (12, 500)).astype(np.float32), 100.0, list(STANDARD_12), ["mV"] * 12
        )
    (folder / "bad.dat").write_bytes(b"\0" * 100)
    names = []
    for number in range(count):
        kind = "bad" if number % 20 == 7 else "good"
        shelf = folder / f"{number // 1000:03d}"
        shelf.mkdir(exist_ok=True)
        copy = shelf / f"r{number:06d}.hea"
        if not copy.exists():
            # A folder of its own keeps each header beside a signal file of the name it gives.
            home = shelf / f"d{number:06d}"
            home.mkdir()
            copy = home / f"{kind}.hea"
            for suffix in (".hea", ".dat"):
                os.link(folder / f"{kind}{suffix}", home / f"{kind}{suffix}")
        names.append(str(copy))
    listing = folder / f"list{count}"
    listing.write_text("\n".join(names) + "\n")
    return listing


def group_bytes(group: int) -> int:
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getpgid(int(entry.name)) == group:
                lines = (entry / "smaps_rollup").read_text().splitlines()
                total += 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (ProcessLookupError, FileNotFoundError, PermissionError, StopIteration):
            continue
    return total


def peak(command: list[str | Path]) -> int:
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **ONE_THREAD}
    )
    highest = 0
    while process.poll() is None:
        highest = max(highest, group_bytes(process.pid))
        time.sleep(0.02)
    if process.returncode != 1:
        raise SystemExit(f"the command ended with {process.returncode}")
    return highest


def main() -> None:
    print("| output | peak at 1,000, MB | peak at 20,000, MB | bytes a record | bar |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lists = {}
        for size in SIZES:
            (folder / str(size)).mkdir()
            lists[size] = make_records(folder / str(size), size)
        for command in (["med-cat"], ["ecg-encode"]):
            for suffix in ("jsonl", "h5"):
                peaks = [
                    peak([BIN / command[0], "--files-from", lists[size], "-j", "2", "-o", folder / f"{size}.{suffix}"])
                    for size in SIZES
                ]
                each = (peaks[1] - peaks[0]) / (SIZES[1] - SIZES[0])
                shown = " | ".join(f"{value / 1e6:.1f}" for value in peaks)
                print(f"| {command[0]}, {suffix} | {shown} | {each:.0f} | {BAR} |")
                sys.stdout.flush()


if __name__ == "__main__":
    main()

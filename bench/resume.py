"""Pre-training killed without warning and gone on with, against the same training left alone.

PTB-XL recordings of 500 Hz with their reports, the three presets at the papers' sizes, batch 8, eight steps with a
state every second one, one thread. The killed run gets SIGKILL as soon as it has left a state, and again and again
after every further one, until it ends. Compared are the bytes of the last weights and every line of the metrics but
for what is of time.

Usage: python bench/resume.py, MEDPIPE_DATA set
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from commands import PATH, call

PTBXL = Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw"
STEPS, EVERY = 8, 2


def prepare(folder: Path) -> list[object]:
    """What every training learns from."""
    reports, found, entities, targets = (folder / name for name in ("reports.csv", "e.jsonl", "v.json", "t.h5"))
    with (PTBXL / "ptbxl_database.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (PTBXL / f"{row['filename_hr']}.hea").exists()]
    with reports.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, ["filename_hr", "patient_id", "report"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    # Reports in a language that the lexicon does not read are errors of their own.
    call("ecg-entities", "extract", "--id", "key:filename_hr", reports, "-o", found, "--quiet", good=(0, 1))
    call("ecg-entities", "vocabulary", found, "--min-count", "3", "-o", entities, "--quiet")
    call("ecg-entities", "targets", found, "--vocabulary", entities, "-o", targets, "--quiet")
    return ["--reports", reports, "--key", "filename_hr", "--by", "patient_id", "--targets", targets,
            "--text-model", "default", "--batch-size", 8, "--max-steps", STEPS, "--checkpoint-every", EVERY,
            "--validate-every", EVERY, "--set", "validation_share=0.1", "-j", 0, "--threads", 1, "--quiet",
            PTBXL / "records500"]  # fmt: skip


def kill_until_it_ends(options: list[str], folder: Path) -> int:
    """How often it was killed."""
    program, state, kills = shutil.which("ecg-train", path=PATH) or "ecg-train", folder / "state.pt", 0
    while True:
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = subprocess.Popen([program, *options, *(["--resume"] if before else [])])
        while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.002)
        process.kill()
        if process.wait() == 0:
            return kills
        if process.returncode > 0:
            raise SystemExit(f"ecg-train ended with {process.returncode}")
        kills += 1


def curve(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in lines]


def main() -> None:
    print("| objective | steps | killed | weights | metrics |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        given = prepare(Path(name))
        for objective in ("merl", "kmerl", "supreme"):
            whole, cut = Path(name) / f"{objective}-whole", Path(name) / f"{objective}-cut"
            own = ["--objective", objective, *given]
            call("ecg-train", *own, "-o", whole)
            kills = kill_until_it_ends([str(one) for one in [*own, "-o", cut]], cut)
            weights = [(folder / "last.safetensors").read_bytes() for folder in (whole, cut)]
            same = [
                "identical" if one else "DIFFERENT" for one in (weights[0] == weights[1], curve(whole) == curve(cut))
            ]
            print(f"| {objective} | {STEPS} | {kills} times | {' | '.join(same)} |", flush=True)


if __name__ == "__main__":
    main()

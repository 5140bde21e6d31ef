"""WFDB files at 500 Hz to embeddings written, on one core: these commands against MERL's published way.

Usage: python bench/encode.py

The published way is wfdb.rdsamp, min-max over the record, the ResNet-18 with its head at 12 x 5000 in eager torch,
embeddings kept; its imports are not counted. The commands are counted whole, start and output included. All of them
run on one thread and take turns; the least CPU time of each counts. Records are the 500 Hz ones of PTB-XL under
MEDPIPE_DATA, or simulated ones. The weights of MERL are drawn at random, which costs the same.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import torch
import wfdb
from process import BIN, cpu_seconds

from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.presets import MERL_LEADS
from medpipe.formats.leads import STANDARD_12
from medpipe.formats.wfdb_write import write_wfdb

ROUNDS = 3
DEFAULT_COUNT, MERL_COUNT = 2000, 1500
BATCHES = (1, 8)


def records(folder: Path, count: int) -> list[Path]:
    """`count` headers in folders of their own: hard links to the real records, over and over."""
    if "MEDPIPE_DATA" in os.environ:
        real = sorted((Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw/records500").rglob("*.hea"))
    else:
        rng = np.random.default_rng(0)
        for number in range(40):
            signal = rng.normal(0, 0.3, (12, 5000)).astype(np.float32)
            write_wfdb(folder, f"s{number}", signal, 500.0, list(STANDARD_12), ["mV"] * 12)
        real = sorted(folder.glob("*.hea"))
    found = []
    for number in range(count):
        home = folder / f"{number:05d}"
        home.mkdir()
        source = real[number % len(real)]
        for file in (source, source.with_suffix(".dat")):
            (home / file.name).symlink_to(file)
        found.append(home / source.name)
    return found


@torch.inference_mode()
def published(model: Merl, headers: list[Path], batch: int) -> tuple[float, np.ndarray]:
    """CPU seconds and embeddings of the published way."""
    rows = [STANDARD_12.index(lead) for lead in MERL_LEADS]
    start = time.process_time()
    made = []
    for first in range(0, len(headers), batch):
        signals = []
        for header in headers[first : first + batch]:
            signal = wfdb.rdsamp(str(header.with_suffix("")))[0].T[rows]
            signals.append((signal - signal.min()) / (signal.max() - signal.min() + 1e-8))
        x = torch.from_numpy(np.stack(signals).astype(np.float32))
        made.append(model.embed(x, torch.ones(len(x), 12, dtype=torch.bool)).numpy())
    return time.process_time() - start, np.concatenate(made)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        headers = records(folder, DEFAULT_COUNT)
        torch.manual_seed(0)
        model = Merl("merl-resnet18", contrastive=True).eval()
        weights = folder / "ckpt.pth"
        torch.save(model.state_dict(), weights)
        for size in (DEFAULT_COUNT, MERL_COUNT):
            (folder / f"list{size}").write_text("".join(f"{header}\n" for header in headers[:size]))
        ours = {
            "ecg-encode, default model": ([], DEFAULT_COUNT),
            "ecg-encode, MERL ResNet-18, its preprocessing": (
                ["--model", weights, "--arch", "merl-resnet18"],
                MERL_COUNT,
            ),
        }
        times: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for label, (options, count) in ours.items():
                command = [
                    BIN / "ecg-encode",
                    *options,
                    "--files-from",
                    folder / f"list{count}",
                    "-o",
                    folder / "out.jsonl",
                ]
                times.setdefault(label, []).append(cpu_seconds(command) / count)
            for batch in BATCHES:
                seconds, _ = published(model, headers[:96], batch)
                times.setdefault(f"rdsamp, min-max, ResNet-18 in torch, batch {batch}", []).append(seconds / 96)
        best = {label: min(column) for label, column in times.items()}
        peer = min(value for label, value in best.items() if label.startswith("rdsamp"))
        print("| way | CPU ms a record | records a minute on one core | times the published way |")
        print("| --- | --- | --- | --- |")
        for label, value in best.items():
            print(f"| {label} | {1000 * value:.2f} | {60 / value:.0f} | {peer / value:.1f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Every benchmark, one after another, and their tables in bench/RESULTS.md.

Usage: python bench/run.py [NAME...]

With names (wfdb_read, jsonl, ...) only those are run again, and the other sections stay as they are.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
BENCHES = {
    "wfdb_read": "WFDB reading against wfdb.rdsamp",
    "encode": "Files to embeddings against MERL's published path",
    "jsonl": "Arrays in JSON Lines against lists of numbers",
    "start": "What it costs to begin",
    "memory": "Memory a record",
    "default_model": "The default ECG model against its baselines",
    "train": "Pre-training against MERL's published loop",
    "resume": "Pre-training killed and gone on with",
    "sure_labels": "The default ECG model with sure labels",
    "tenfold": "The default ECG network, ten-fold by patient",
    "learning_curve": "The default ECG network, records against AUROC",
    "unseen_names": "The default ECG network, names never taught",
    "arms": "K-MERL, MERL with lead dropout, MERL zero-filled and SuPreME",
    "dicom_image": "DICOM to a model's input against pydicom and PIL",
    "fmri_extract": "Responses from 4D images against nilearn's NiftiMasker",
    "fmri_decode": "Text behind prompts against feeding all again and transformers' generate",
    "ground": "Florence-2 asked against transformers' own call",
    "bccd": "A small Florence-2 trained on blood cells against baselines",
    "gpu": "The papers' settings at real size on a GPU",
    "fmri_bpgpt": "Simulated listeners decoded by BP-GPT",
    "fmri_ridge": "Ridge regression against himalaya's RidgeCV",
    "fmri_identification": "Windows of simulated listeners identified by ridge decoding",
    "entities": "Entities of reports by the lexicon against SCP-ECG codes",
    "kv_peers": "Attention statistics and budgeted caches against kvpress",
    "kv_coverage": "Cache methods on Qwen2-VL, and kvpress's",
    "kv_recall": "Recall under a budgeted cache, and under kvpress's presses",
    "kv_generated": "Bytes of a budgeted cache with what was generated",
}
BARS = {
    "wfdb_read": "Bar: 15 times the records per second on 12 leads, 10 s, 500 Hz, format 16; values equal to 1e-6.",
    "encode": "Bars: 12 times the published path with the default model, 1.3 times with MERL's own network.",
    "jsonl": "Bars: 20 times stdlib json, 5 times orjson, encoding and decoding together.",
    "start": "Bars: --help at most 1.3 times a bare typer app; one file at most half of `import torch`.",
    "memory": "Bar: 200 bytes a record.",
    "default_model": "Bars: above the ridge and the random encoder; not below the small residual network.",
    "train": "Bar: 2 times the records per second.",
    "resume": "Bar: identical to an uninterrupted run.",
    "sure_labels": "No bar: how much of a figure is the definition of its labels.",
    "tenfold": "Bars: 0.93 (0.92 at the least) with 12 leads, 0.84 (0.82) with I, 0.88 (0.86) with I and II.",
    "learning_curve": "No bar: it tells whether the bars of the table above can be reached with these recordings.",
    "unseen_names": "Bar: mean 0.76 (0.72 at the least), its lower bound above 0.60.",
    "arms": "No bar: whichever wins.",
    "dicom_image": "Bars: 2 times uncompressed; compressed at most half beyond decoding; within 1 grey level.",
    "fmri_extract": "Bars: in the tables; memory at most 200 MiB, and within 10 % from 240 to 2400 volumes.",
    "fmri_decode": "Bars: 5 times feeding all again; not slower than generate; the same tokens.",
    "ground": "Bars: not slower with one finding, 1.5 times with four.",
    "bccd": "Bar: AP50 above the mean box and the random boxes by a paired interval.",
    "gpu": "No bar: records per second, and the same losses as on a CPU to tolerance.",
    "fmri_bpgpt": "Bar: at 0.05 p below 0.01, three seeds; at none reported.",
    "fmri_ridge": "Bars: the same scores to 1e-4, not slower, at most half the memory.",
    "fmri_identification": "Bars: p below 0.001 at 0.05; without signal p uniform, by a test above 0.001.",
    "entities": "Bar: micro F1 0.85.",
    "kv_peers": "Bars: in the tables.",
    "kv_coverage": "Bar: all methods here work with the transformers installed.",
    "kv_recall": "Bar: at 0.2 and 0.1 not below the best of kvpress's presses that run.",
    "kv_generated": "Bar: at most 28.1 % of the full cache's keys and values.",
}
# Too long for a run that names none.
LONG = (
    "tenfold", "learning_curve", "unseen_names", "arms", "bccd", "gpu", "fmri_extract", "fmri_ridge",
    "fmri_identification", "fmri_bpgpt", "kv_peers", "kv_coverage", "kv_recall",
)  # fmt: skip
PACKAGES = ("numpy", "wfdb", "torch", "onnxruntime", "orjson", "typer")


def machine() -> str:
    """What the figures were measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.machine()
    )
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}; Python {platform.python_version()}, {packages}."


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def section(name: str) -> str:
    """The benchmark run, its words and its tables."""
    print(f"bench: {name}", file=sys.stderr)
    command = [sys.executable, HERE / f"{name}.py"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    said = (HERE / f"{name}.py").read_text().split('"""')[1].split("\n\n")
    words = [" ".join(part.split()) for part in said if not part.startswith("Usage")]
    call = f"`python bench/{name}.py`, {machine()}"
    return "\n\n".join([f"## {BENCHES[name]}", *words, BARS[name], call, done.stdout.strip()])


def earlier() -> dict[str, str]:
    """The sections of the file as it is, by the name of their benchmark."""
    if not RESULTS.exists():
        return {}
    found = re.split(r"^(?=## )", RESULTS.read_text(), flags=re.MULTILINE)[1:]
    titles = {title: name for name, title in BENCHES.items()}
    return {titles[part.splitlines()[0][3:]]: part.strip() for part in found}


def main() -> None:
    wanted = sys.argv[1:] or [name for name in BENCHES if name not in LONG]
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    sections = earlier()
    for name in wanted:
        sections[name] = section(name)
        head = "# Results\n\nWritten by `make bench` (`python bench/run.py`). CPU time unless said."
        RESULTS.write_text("\n\n".join([head, *(sections[one] for one in BENCHES if one in sections)]) + "\n")


if __name__ == "__main__":
    main()

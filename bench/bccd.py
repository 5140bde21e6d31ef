"""A small Florence-2 trained here from nothing to box blood cells, with and without descriptions, against baselines.

BCCD: 205 images to train on, of which the preset keeps a tenth to choose the weights by, and the 87 of its validation
list to report on. Both models: preset `ground-small`, seed 0; all three cells are asked for in every image. mean box:
of each cell the mean of the boxes to train on. random: as many boxes of each cell as there are on average, of sizes
that there are, put anywhere, with random scores, seed 0. AP50 is the mean over cells at an overlap of 0.5, false boxes
where a cell is absent counted; brackets: 95 % intervals from 1,000 bootstrap samples of the images, seed 0; differences
are paired. Run only when named: an hour on two cores, minutes on a GPU.

Usage: python bench/bccd.py [FOLDER] [--device cuda], MEDPIPE_DATA set; a second run goes on from what is in FOLDER
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from commands import call

from medpipe.formats.box_files import Annotated, read_boxes

BCCD = Path(os.environ["MEDPIPE_DATA"]) / "boxes/bccd"
SIZE, CELLS = (640, 480), ("Platelets", "RBC", "WBC")
DESCRIBED = {
    "RBC": "a red blood cell, a pale pink disc without a nucleus, with a lighter middle and a smooth round edge",
    "WBC": "a white blood cell, larger than its neighbours, with a dark purple nucleus and a pale rim",
    "Platelets": "a platelet, a small purple speck between the cells, granular and without a nucleus",
}
Found = list[tuple[str, tuple[float, ...], float]]


def listed(folder: Path, part: str) -> list[str]:
    """The names of a list, whose pictures are then listed in `folder`."""
    names = (BCCD / f"{part}.txt").read_text().split()
    (folder / f"{part}.lst").write_text("".join(f"{BCCD / 'images' / name}.jpg\n" for name in names))
    return names


def trained(run: argparse.Namespace, variant: str) -> None:
    """The model's boxes of the validation list; goes on where it was stopped."""
    folder, out = run.folder, run.folder / f"{variant}.jsonl"
    if out.exists():
        return
    knowledge = ("--knowledge", folder / "cells.yaml") if variant == "described" else ("--no-knowledge",)
    call("ground-train", "--files-from", folder / "train.lst", "--boxes", BCCD / "annotations", "--model", "small",
         "--preset", "ground-small", "--seed", 0, "--validate-every", 220, "--checkpoint-every", 220, "-j", run.workers,
         "--threads", 1, "--device", run.device, "--resume", *knowledge,
         *(part for change in run.set for part in ("--set", change)), "-o", folder / variant)  # fmt: skip
    queries = [part for cell in CELLS for part in ("-q", cell)]
    call("ground", "--model", folder / variant, *queries, "--files-from", folder / "val.lst", "--id", "stem",
         "--device", run.device, "--no-source", "-o", out)  # fmt: skip


def mean_box(known: list[Annotated]) -> Callable[[], Found]:
    boxes = {cell: [box for one in known for label, box in one.boxes if label == cell] for cell in CELLS}
    means = [(cell, tuple(np.mean(boxes[cell], axis=0)), 1.0) for cell in CELLS]
    return lambda: means


def random_boxes(known: list[Annotated]) -> Callable[[], Found]:
    boxes = {cell: np.array([box for one in known for label, box in one.boxes if label == cell]) for cell in CELLS}
    rng = np.random.default_rng(0)

    def draw() -> Iterator[tuple[str, tuple[float, ...], float]]:
        for cell in CELLS:
            for _ in range(rng.poisson(len(boxes[cell]) / len(known))):
                box = boxes[cell][rng.integers(len(boxes[cell]))]
                side = box[2:] - box[:2]
                corner = rng.uniform(0, np.maximum(np.array(SIZE) - side, 1))
                yield cell, (*corner, *(corner + side)), float(rng.random())

    return lambda: list(draw())


def write(path: Path, names: list[str], boxes: Callable[[], Found]) -> None:
    with path.open("w") as out:
        for name in names:
            found = [{"label": cell, "xyxy": list(map(float, box)), "score": score} for cell, box, score in boxes()]
            out.write(json.dumps({"id": name, "boxes": found, "present": dict.fromkeys(CELLS, 1.0)}) + "\n")


def scores(folder: Path, method: str, against: str | None = None) -> dict[str, dict[str, float]]:
    """Of each cell and of all, by `med-score boxes`."""
    out = folder / "scores.jsonl"
    other = ("--against", folder / f"{against}.jsonl") if against else ()
    call("med-score", "boxes", folder / f"{method}.jsonl", "--truth", BCCD / "annotations", *other, "--draws", 1000,
         "--quiet", "-o", out)  # fmt: skip
    return {row["id"]: row for row in map(json.loads, out.read_text().splitlines())}


def said(row: dict[str, float], name: str, sign: str = "") -> str:
    low, high = row[f"{name}_ci95"]
    return f"{row[name]:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "out/bccd")
    options.add_argument("--device", default="cpu")
    options.add_argument("--workers", type=int, default=0, help="that read pictures for each training")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting, for both")
    run = options.parse_args()
    run.folder.mkdir(parents=True, exist_ok=True)
    train, test = listed(run.folder, "train"), listed(run.folder, "val")
    (run.folder / "cells.yaml").write_text("".join(f"{cell}: {text}\n" for cell, text in DESCRIBED.items()))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda variant: trained(run, variant), ("described", "names")))
    known = [one for one in read_boxes(str(BCCD / "annotations")) if one.id in set(train)]
    write(run.folder / "mean.jsonl", test, mean_box(known))
    write(run.folder / "random.jsonl", test, random_boxes(known))
    print(f"{len(train)} images to train on, {len(test)} to report on\n")
    print(f"| method | AP50 | {' | '.join(CELLS)} | AP | mean best overlap |")
    print(f"|{' --- |' * (len(CELLS) + 4)}")
    for method in ("described", "names", "mean", "random"):
        rows = scores(run.folder, method)
        cells = " | ".join(f"{rows[cell]['ap50']:.3f}" for cell in CELLS)
        rest = " | ".join(f"{rows['all'][name]:.3f}" for name in ("ap", "best_iou"))
        print(f"| {method} | {said(rows['all'], 'ap50')} | {cells} | {rest} |")
    print("\n| difference | AP50 |\n| --- | --- |")
    for one, other in (("described", "mean"), ("described", "random"), ("described", "names")):
        print(f"| {one} minus {other} | {said(scores(run.folder, one, other)['all'], 'ap50_difference', '+')} |")


if __name__ == "__main__":
    main()

"""ground-train: pictures and box files to a model that ground opens; stopped, resumed, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pydicom.data import get_testdata_file

from medpipe.cli.grounding_index import index_pictures, split_pictures
from medpipe.cli.grounding_source import Examples
from medpipe.core.vision.ground_settings import ground_settings
from medpipe.formats.registry import ReadOptions

SMALL = ("--set", "side=64", "--batch-size", "2", "--set", "tower=trained", "--set", "validation_share=0.3",
         "--set", "precision=float32", "--threads", "1", "--model", "smoke", "--preset", "ground")  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures with a white box each, one of them with none; as VinDr's table and as records by patient."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rows = ["image_id,class_name,x_min,y_min,x_max,y_max"]
    for number in range(6):
        pixels = np.zeros((48, 48), np.uint8)
        if number:
            pixels[10:20, 5 * number : 5 * number + 15] = 255
            rows.append(f"p{number},Nodule/Mass,{5 * number},10,{5 * number + 15},20")
        else:
            rows.append("p0,No finding,,,,")
        PIL.Image.fromarray(pixels).save(folder / f"images/p{number}.png")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return folder


def train(run, data: Path, out: Path, *options: object):
    return run("ground-train", "images", "--boxes", "boxes.csv", *SMALL, *options, "-o", out, cwd=data)


def lines(out: Path) -> list[dict]:
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in found]


def test_a_model_is_trained_and_opened(run, data: Path, tmp_path: Path) -> None:
    done = train(run, data, tmp_path / "m", "--epochs", "2")
    assert done.returncode == 0, done.stderr.decode()
    assert b"4 pictures to train on, 2 to validate, 5 boxes of 1 finding" in done.stderr
    said = json.loads((tmp_path / "m/best/medpipe.json").read_text())
    assert said["calibrated"] and "Nodule/Mass" in said["descriptions"] and said["begun_with"] == {"untrained": "smoke"}
    assert (tmp_path / "m/curves.png").stat().st_size > 1000
    asked = run("ground", "--model", tmp_path / "m", "-q", "Nodule/Mass", "images/p1.png", cwd=data)
    made = json.loads(asked.stdout)
    assert made["calibrated"] is True and made["grounder"]["name"] == "m" and asked.stderr == b""


def test_a_run_that_was_stopped_goes_on(run, data: Path, tmp_path: Path) -> None:
    train(run, data, tmp_path / "whole", "--epochs", "3")
    train(run, data, tmp_path / "cut", "--epochs", "3", "--max-steps", "6", "--checkpoint-every", "2")
    assert lines(tmp_path / "whole") == lines(tmp_path / "cut")
    again = train(run, data, tmp_path / "cut", "--epochs", "3")
    assert (again.returncode == 65 and b"--resume" in again.stderr) or b"resume it" in again.stderr


@pytest.mark.slow
def test_two_processes_train_one_model(run, data: Path, tmp_path: Path) -> None:
    command = ["--nproc-per-node", "2", "--no-python", "ground-train", "images", "--boxes", "boxes.csv", *SMALL,
               "--set", "batch=1", "--epochs", "1", "-o", tmp_path / "m"]  # fmt: skip
    done = run("torchrun", *command, cwd=data, env={"PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads((tmp_path / "m/last/medpipe.json").read_text())["result"]["processes"] == 2


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--preset", "none"), 2, "no training preset none"),
        (("--set", "tower=frozen"), 2, "with a frozen part it learns nothing"),
        (("--set", "side=50"), 2, "multiple of 32"),
        (("--set", "dense_epochs=1"), 2, "of which the dense_weight is 0"),
        (("--set", "template=odd"), 2, "no template odd"),
        (("--labels", "gremlin"), 0, "0 boxes of 1 finding"),
        (("--batch-size", "50"), 2, "make no batch of 50"),
        (("--by", "patient"), 2, "names a key of records"),
        (("--validation", "absent"), 66, "absent"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    run, data: Path, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    done = train(run, data, tmp_path / "m", "--epochs", "1", *options)
    assert done.returncode == code and said in done.stderr.decode() and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"label": "x y " * 2000, "xyxy": [1, 1, 9, 9]}, "more than the model's 512 tokens"),
        ({"label": " ", "xyxy": [1, 1, 9, 9]}, "an empty label"),
        ({"label": "mass", "xyxy": [100, 100, 900, 900]}, "outside the picture of 48 x 48"),
    ],
)
def test_boxes_that_nobody_could_have_meant_are_refused(run, data: Path, tmp_path: Path, box: dict, said: str) -> None:
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": "p1", "boxes": [box]}) + "\n")
    done = run("ground-train", "images/p1.png", "--boxes", tmp_path / "b.jsonl", *SMALL, "--batch-size", "1",
               "--set", "validation_share=0", "-o", tmp_path / "m", cwd=data)  # fmt: skip
    assert done.returncode == 65 and said in done.stderr.decode() and b"Traceback" not in done.stderr


def test_boxes_for_a_picture_of_another_size_are_refused(run, data: Path, tmp_path: Path) -> None:
    whole = {"images": [{"id": 1, "file_name": "p1.png", "width": 480, "height": 480}],
             "categories": [{"id": 1, "name": "mass"}],
             "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}]}  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(whole))
    done = run("ground-train", "images/p1.png", "--boxes", tmp_path / "c.json", *SMALL, "--batch-size", "1",
               "--set", "validation_share=0", "-o", tmp_path / "m", cwd=data)  # fmt: skip
    assert done.returncode == 65 and b"for a picture of 480 x 480, not the picture of 48 x 48" in done.stderr


def test_two_pictures_of_one_name_are_refused(run, data: Path, tmp_path: Path) -> None:
    PIL.Image.new("L", (48, 48)).save(tmp_path / "p1.png")
    done = train(run, data, tmp_path / "m", str(tmp_path / "p1.png"))
    assert done.returncode == 2 and b"two pictures are called p1" in done.stderr


def test_labels_meet_in_other_letters_and_listed_names_without_a_picture_are_counted(
    data: Path, tmp_path: Path
) -> None:
    index = index_pictures([str(data / "images")], None, str(data / "boxes.csv"), ["nodule or mass"], None)
    assert {label for boxes in index.boxes for label, _ in boxes} == {"nodule or mass"} == set(index.names)
    (tmp_path / "held.txt").write_text("p1\nzebra\nokapi\n")
    _, held = split_pictures(index, 0.5, 0, str(tmp_path / "held.txt"))
    assert held is not None and len(held.items) == 1 and held.unmet == 2


def test_pictures_without_boxes_and_boxes_without_pictures_are_said(run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("image_id,class_name,x_min,y_min,x_max,y_max\nzebra,mass,1,1,2,2\n")
    done = run("ground-train", "images", "--boxes", tmp_path / "other.csv", *SMALL, "-o", tmp_path / "m", cwd=data)
    assert done.returncode == 66 and b"no picture has its boxes" in done.stderr and b"zebra" in done.stderr


def test_a_failure_leaves_no_worker_to_wait_for(data: Path, tmp_path: Path) -> None:
    out = str(tmp_path)
    code = (
        "import sys, torch, medpipe.core.vision.ground_objective as module\n"
        "def full(self, batch): raise torch.OutOfMemoryError('full')\n"
        "module.GroundObjective.forward = full\n"
        "from medpipe.cli.ground_train import run\n"
        f"sys.argv = ['ground-train', 'images', '--boxes', 'boxes.csv', *{SMALL!r}, '-j', '1', '-o', {out!r}]\n"
        "run()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=data, capture_output=True, timeout=120, check=False)
    assert done.returncode == 69 and b"smaller --batch-size" in done.stderr


def test_a_file_of_several_pictures_is_no_picture_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "boxes.jsonl").write_text('{"id":"rtdose","boxes":[{"label":"m","xyxy":[1,2,4,6]}]}\n')
    index = index_pictures([get_testdata_file("rtdose.dcm")], None, str(tmp_path / "boxes.jsonl"), [], None)
    said = Examples(index, ground_settings("ground-small"), ReadOptions(), random=False)[0, 0]
    assert isinstance(said, str) and "rtdose holds 15 pictures" in said

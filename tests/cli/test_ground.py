"""ground: files to boxes with a tiny model, what is in the record, and one clear line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pydicom.data import get_testdata_file

CT, FRAMES, DOSE = (get_testdata_file(name) for name in ("CT_small.dcm", "rtdose.dcm", "rtplan.dcm"))
SMOKE = ("ground", "--model", "smoke", "-q", "pleural effusion")


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (30 + number, 50)).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"scans/{number}.png")
    (tmp_path / "scans/torn.png").write_bytes((tmp_path / "scans/0.png").read_bytes()[:60])
    return tmp_path


def test_a_record_tells_what_was_asked_and_done(run) -> None:
    done = run(*SMOKE, "-q", "mass", CT)
    (made,) = records(done.stdout)
    assert done.returncode == 0 and b"untrained" in done.stderr
    assert set(made["present"]) == {"pleural effusion", "mass"} and all(
        0 <= one <= 1 for one in made["present"].values()
    )
    assert made["calibrated"] is False and made["fit"]["image"] == [128, 128]
    assert made["grounder"]["template"] == "plain" and made["grounder"]["trained"] is False
    assert "image" not in made and made["spacing"] == [0.661468, 0.661468] and "ground" in made["via"][0]
    for box in made["boxes"]:
        assert 0 <= box["xyxy"][0] <= box["xyxy"][2] <= 128 and len(box["mm"]) == 2
    assert "image" in records(run(*SMOKE, "--keep-arrays", "--quiet", CT).stdout)[0]


def test_every_frame_is_looked_at(run) -> None:
    made = records(run(*SMOKE, "--quiet", FRAMES).stdout)
    assert [one["id"].rsplit("#")[-1] for one in made] == [str(place) for place in range(15)]


def test_a_bad_image_is_an_error_record_and_the_batch_goes_on(run, scans: Path) -> None:
    done = run(*SMOKE, "--quiet", "scans", DOSE, cwd=scans)
    made = records(done.stdout)
    assert done.returncode == 1 and ["error" in one for one in made] == [False, False, False, True, True]
    assert b"Traceback" not in done.stderr and all(one["error"]["message"] for one in made[3:])


def test_records_and_workers_give_the_same(run, scans: Path) -> None:
    direct = records(run(*SMOKE, "--quiet", "scans", cwd=scans).stdout)
    several = records(run(*SMOKE, "--quiet", "-j", "2", "scans", cwd=scans).stdout)
    piped = records(run(*SMOKE, "--quiet", stdin=run("med-cat", "scans", cwd=scans).stdout).stdout)
    assert direct == several
    assert [one.get("boxes") for one in direct] == [one.get("boxes") for one in piped]
    assert [one["id"] for one in direct] == [one["id"] for one in piped]


def test_values_that_are_no_grey_levels_and_records_without_an_image(run) -> None:
    (made,) = records(run(*SMOKE, "--quiet", "--voi", "none", CT).stdout)
    assert made["error"]["type"] == "bad-image" and "--voi none" in made["error"]["message"]
    (made,) = records(run(*SMOKE, "--quiet", stdin=b'{"id":"x"}\n').stdout)
    assert made["error"]["type"] == "no-image"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "no query"),
        (("-q", " "), 2, "an empty query"),
        (("-q", "mass", "--nms", "2"), 2, "--nms"),
        (("-q", "mass", "--preset", "none"), 65, "no preset none"),
        (("-q", "mass", "--knowledge", "absent.yaml"), 65, "absent.yaml"),
        (("-q", "mass", "--knowledge", "x", "--no-knowledge"), 2, "--knowledge"),
        (("-q", "mass", "--model", "/nowhere/at/all"), 69, "no such folder"),
        (("-q", "mass", "--device", "cuda:9"), 69, "no device cuda:9"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, tmp_path: Path, options: tuple[str, ...], code: int, said: str) -> None:
    model = () if "--model" in options else ("--model", "smoke")
    done = run("ground", *model, *options, CT, cwd=tmp_path, env={"HF_HUB_OFFLINE": "1"})
    if code == 69 and "cuda:9" in options and done.returncode == 0:
        pytest.skip("there is a CUDA device")
    assert done.returncode == code and said in done.stderr.decode() and b"Traceback" not in done.stderr


def test_a_finding_that_nobody_described_is_asked_by_name_and_said(run) -> None:
    done = run("ground", "--model", "smoke", "-q", "gremlins", CT)
    assert b"no description of gremlins" in done.stderr and records(done.stdout)[0]["present"].keys() == {"gremlins"}
    assert b"no description" not in run("ground", "--model", "smoke", "-q", "gremlins", "--no-knowledge", CT).stderr


def test_one_picture_stored_dark_and_bright_gives_the_same_boxes(run, tmp_path: Path) -> None:
    from pydicom import dcmread

    data = dcmread(CT)
    values, top = data.pixel_array.astype(np.int64), 2**data.BitsStored - 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    for name in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTSequence"):
        if name in data:
            del data[name]
    data.WindowCenter, data.WindowWidth = (top + 1) / 2, top + 1
    low = (values - values.min()) * top // max(1, int(values.max() - values.min()))
    made = []
    for name, kind, stored in (("a", "MONOCHROME2", low), ("b", "MONOCHROME1", top - low)):
        data.PhotometricInterpretation, data.PixelData = kind, stored.astype("<u2").tobytes()
        data.save_as(tmp_path / f"{name}.dcm")
        made += records(run(*SMOKE, "--quiet", "--voi", "file", tmp_path / f"{name}.dcm").stdout)
    assert made[0]["boxes"] == made[1]["boxes"] and made[0]["present"] == made[1]["present"]
    assert made[1]["pixels"]["inverted"] is True

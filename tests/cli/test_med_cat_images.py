"""med-cat on images: what is in the record, what is not, and what a bad file says."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pybase64
import pydicom
import pytest
from pydicom.data import get_testdata_file

CT, MR = get_testdata_file("CT_small.dcm"), get_testdata_file("MR_small.dcm")
FRAMES = get_testdata_file("rtdose.dcm")


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def pixels(record: dict) -> np.ndarray:
    spec = record["image"]
    return np.frombuffer(pybase64.b64decode(spec["b64"]), spec["dtype"]).reshape(spec["shape"])


def test_what_was_done_to_the_pixels_is_in_the_record(run) -> None:
    (made,) = records(run("med-cat", CT).stdout)
    assert made["spacing"] == [0.661468, 0.661468] and len(made["orientation"]) == 6
    assert made["pixels"]["modality"] == {"slope": 1.0, "intercept": -1024.0}
    assert made["pixels"]["voi"]["from"] == "preset soft-tissue, the file has no window"
    assert pixels(made).dtype == np.uint8 and pixels(made).shape == (128, 128)
    (kept,) = records(run("med-cat", "--voi", "none", CT).stdout)
    assert kept["pixels"]["voi"] is None and pixels(kept).min() < 0


def test_nothing_of_the_header_that_identifies_comes_out(run) -> None:
    from pydicom import dcmread

    data = dcmread(CT)
    done = run("med-cat", "--phi-check", CT)
    (made,) = records(done.stdout)
    assert made["phi"]["tags"]["people"] == ["PatientName"] and "PatientID" in made["phi"]["tags"]["numbers"]
    values = [str(data.PatientName), str(data.PatientID), str(data.StudyInstanceUID), str(data.StudyDate)]
    said = (done.stdout + done.stderr).decode().replace(CT, "")
    assert not [value for value in values if value in said]


def test_a_record_that_may_identify_is_stopped(run) -> None:
    done = run("med-cat", "--fail-on-phi", CT)
    (made,) = records(done.stdout)
    assert done.returncode == 1 and made["error"]["type"] == "phi" and "PatientName" in made["error"]["message"]
    assert "image" not in made


def test_every_frame_is_a_record(run, tmp_path: Path) -> None:
    made = records(run("med-cat", FRAMES).stdout)
    assert [one["id"].rpartition("#")[2] for one in made] == [str(k) for k in range(15)]
    assert run("med-cat", FRAMES, "-o", tmp_path / "x.h5").returncode == 0
    with h5py.File(tmp_path / "x.h5") as stored:
        assert stored["image"].shape == (15, 10, 10)
    again = records(run("med-cat", tmp_path / "x.h5").stdout)
    assert np.array_equal(pixels(again[3]), pixels(made[3]))


def test_folders_are_searched_for_pictures(run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.png", "a/y.tif", "z.jpg"):
        PIL.Image.fromarray(np.full((4, 6), 9, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    made = records(run("med-cat", ".", cwd=tmp_path).stdout)
    assert [one["id"] for one in made] == ["x", "z", "a/y"] and made[0]["source"]["format"] == "png"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--voi", "luhg"], b"luhg is no window"),
        (["--voi", "40,0"], b"width 0 shows nothing"),
        (["--slice", "axial"], b"axial is no slice"),
    ],
)
def test_a_wrong_option_is_a_usage_error(run, options: list[str], said: bytes) -> None:
    done = run("med-cat", *options, CT)
    assert done.returncode == 2 and said in done.stderr and b"Traceback" not in done.stderr


def test_each_bad_picture_is_one_clear_line_and_the_others_go_on(run, tmp_path: Path) -> None:
    (tmp_path / "cut.dcm").write_bytes(Path(MR).read_bytes()[:5000])
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    done = run("med-cat", "cut.dcm", "bad.png", get_testdata_file("JPGExtended.dcm"), MR, cwd=tmp_path)
    made = records(done.stdout)
    assert done.returncode == 1
    assert [one.get("error", {}).get("type") for one in made] == ["truncated", "bad-header", "bad-pixels", None]
    assert "pip install pylibjpeg-libjpeg" in made[2]["error"]["message"]
    assert len(done.stderr.splitlines()) == 4


def test_what_fails_beyond_the_head_is_not_told(run, tmp_path: Path) -> None:
    data = pydicom.dcmread(MR)
    data.NumberOfFrames = 3
    data.save_as(tmp_path / "x.dcm")
    done = run("med-cat", "--head", "1", "x.dcm", cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr and len(records(done.stdout)) == 1


def test_an_image_is_no_ecg(run) -> None:
    for command in (["ecg-encode"], ["med-cat", "--leads", "I"], ["med-cat", "--resample", "100"]):
        (made,) = records(run(*command, CT).stdout)
        assert made["error"]["type"] == "not-an-ecg" and "image" in made["error"]["message"]


@pytest.mark.parametrize("name", ["SC_jpeg_no_color_transform.dcm", "JPEG-LL.dcm"])
def test_a_decoder_that_crashes_takes_no_run_with_it(run, tmp_path: Path, name: str) -> None:
    source = Path(get_testdata_file(name, download=False) or Path(os.environ.get("MEDPIPE_DATA", "/")) / "dicom" / name)
    if not source.exists():
        pytest.skip(f"MEDPIPE_DATA has no dicom/{name}")
    raw = source.read_bytes()
    place, rng = raw.rindex(b"\xe0\x7f\x10\x00") + 12, random.Random(0)
    for number in range(30):
        damaged = bytearray(raw)
        for _ in range(rng.randint(1, 8)):
            damaged[place + rng.randrange(600)] ^= 1 << rng.randrange(8)
        if number % 3 == 0:
            start = place + 20 + rng.randrange(400)
            damaged[start : start + 64] = bytes(64)
        (tmp_path / f"{number:02}.dcm").write_bytes(damaged)
    done = run("med-cat", "--quiet", tmp_path, MR)
    made = records(done.stdout)
    assert done.returncode in (0, 1) and len(made) == 31 and "error" not in made[-1] and not done.stderr

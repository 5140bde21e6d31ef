"""med-view: the pictures that are asked for, and one clear line where there is none to draw."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image
from simulated import write_records

from medpipe.formats.wfdb_write import write_wfdb

INK = 90


def test_the_grid_and_the_calibration_are_to_scale(run: Run, tmp_path: Path) -> None:
    signal = np.zeros((1, 5000), np.float32)
    signal[0, 2500:] = 1.0
    write_wfdb(tmp_path, "step", signal, 500.0, ["II"], ["mV"])
    dpi = 254
    assert run("med-view", "step.hea", "-o", "x.png", "--dpi", dpi, cwd=tmp_path).returncode == 0
    grey = np.asarray(Image.open(tmp_path / "x.png").convert("L")).astype(int)
    # Ten pixels a millimetre: the step of 1 mV is 100 pixels high, and its corner stands 125 mm after the start.
    trace = [np.flatnonzero(grey[120:, column] < INK) + 120 for column in range(300, grey.shape[1] - 150)]
    middle = np.array([np.median(rows) if len(rows) else np.nan for rows in trace])
    before, after = np.nanmedian(middle[200:900]), np.nanmedian(middle[1500:2200])
    assert before - after == pytest.approx(100, abs=2)
    corner = int(np.flatnonzero(np.abs(middle - after) < 5)[0]) + 300
    assert (corner - 230) / 10 / 25 == pytest.approx(5.0, abs=0.03)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("html", b"<!doctype html")])
def test_each_kind_of_picture(run: Run, good_folder: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    target = tmp_path / f"x.{suffix}"
    done = run("med-view", "rec/r00000.hea", "-o", target, cwd=good_folder)
    assert done.returncode == 0 and target.read_bytes().lower().startswith(start.lower())
    piped = run("med-view", "rec/r00000.hea", "-o", "-", "--format", suffix, cwd=good_folder)
    assert piped.stdout == target.read_bytes()


def test_a_page_needs_nothing_from_elsewhere_and_shows_the_scores(run: Run, good_folder: Path) -> None:
    scored = run("ecg-zeroshot", "--keep-arrays", "-q", "<b>heart attack</b>", "rec/r00001.hea", cwd=good_folder)
    page = run("med-view", "-o", "-", "--format", "html", stdin=scored.stdout).stdout.decode()
    assert "&lt;b&gt;heart attack" in page and "<b>heart" not in page
    addresses = re.findall(r"(?:src|href)=\"([^\"#][^\"]*)\"", page)
    assert not [one for one in addresses if not one.startswith("data:")] and "<script" not in page


def test_every_record_into_a_folder(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    done = run("med-view", "rec", "-o", f"{tmp_path}/pictures/", cwd=mixed_folder)
    assert done.returncode == 1 and len(list((tmp_path / "pictures").rglob("*.png"))) == 16
    assert b"Traceback" not in done.stderr and len(done.stderr.splitlines()) == 9


def test_one_record_of_a_stream(run: Run, good_folder: Path, tmp_path: Path) -> None:
    done = run("med-view", "rec", "-o", tmp_path / "x.png", cwd=good_folder)
    assert done.returncode == 0 and b"the first record (rec/r00000)" in done.stderr
    done = run("med-view", "rec", "--record", "rec/r00007", "-o", tmp_path / "y.png", cwd=good_folder)
    assert done.returncode == 0 and b"first" not in done.stderr
    assert (tmp_path / "x.png").read_bytes() != (tmp_path / "y.png").read_bytes()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["nothing.hea", "-o", "x.png"], 66, b"no such file"),
        (["r00000.hea", "-o", "x.gif"], 2, b".png, .svg or .html"),
        (["r00000.hea", "-o", "x.png", "--record", "other"], 65, b"no record other"),
        (["r00000.hea", "-o", "x.png", "--leads", "V9"], 1, b"V9"),
        (["r00000.hea", "-o", "x.png", "--from", "60"], 1, b"ends before"),
        (["r00000.hea", "-o", "/proc/x.png"], 74, b"/proc/x.png"),
    ],
)
def test_what_cannot_be_drawn_is_said(run: Run, tmp_path: Path, options: list[str], code: int, said: bytes) -> None:
    write_records(tmp_path, 1, seconds=2.0)
    done = run("med-view", *options, cwd=tmp_path)
    assert done.returncode == code and said in done.stderr and b"Traceback" not in done.stderr
    assert not list(tmp_path.glob("x.*"))


def test_scores_that_are_no_numbers_end_no_run(run: Run, good_folder: Path, tmp_path: Path) -> None:
    record = json.loads(run("med-cat", "rec/r00000.hea", cwd=good_folder).stdout)
    odd = [{"a": None, "b": 0.5}, 5, [1], {"a": "x"}]
    lines = [json.dumps({**record, "id": str(k), "scores": one, "quality": "x"}) for k, one in enumerate(odd)]
    done = run("med-view", "-o", f"{tmp_path}/p/", "--format", "html", stdin="\n".join(lines).encode())
    assert done.returncode == 1 and len(list((tmp_path / "p").iterdir())) == 2 and b"Traceback" not in done.stderr


def test_a_device_is_not_replaced(run: Run, good_folder: Path) -> None:
    done = run("med-view", "rec/r00000.hea", "-o", "/dev/full", "--format", "png", cwd=good_folder)
    assert done.returncode == 74 and Path("/dev/full").is_char_device()

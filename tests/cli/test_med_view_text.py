"""med-view of decoded text: the stories that are asked for, and one clear line where there is nothing to draw."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Run
from PIL import Image
from windows import window, write_windows

ODD = [
    "it cost $5 and $x_1$, 50% of <script>alert(1)</script>",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d" * 30,
    "a\tb\nc\x00d \x1b[31m \u202e",
    "\\frac{1}{",
    "\U0001f600 " + "long" * 99,
]


def write(path: Path, records: list[dict]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stories a and b of eight windows with their responses, what was decoded of them, and what of noise."""
    root = tmp_path_factory.mktemp("decoded")
    write_windows(root / "true.jsonl", "ab")
    true = [window(story, number) for story in "ab" for number in range(8)]
    found = [{"id": one["id"], "text": " ".join([*one["tr_texts"][1:], "and home"])} for one in true]
    write(root / "found.jsonl", found[::-1])
    write(root / "noise.jsonl", [{"id": one["id"], "text": "the house"} for one in true])
    return root


def page(run: Run, folder: Path, *options: str | Path) -> str:
    done = run("med-view", *options, "--format", "html", "-o", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_pictures_of_all_stories_and_of_each(run: Run, folder: Path, tmp_path: Path) -> None:
    options = ["found.jsonl", "--truth", "true.jsonl", "--null", "noise=noise.jsonl"]
    done = run("med-view", *options, "-o", tmp_path / "all.png", cwd=folder)
    assert done.returncode == 0 and done.stderr.decode() == f"med-view: {tmp_path}/all.png\n"
    width, height = Image.open(tmp_path / "all.png").size
    assert width == 1575 and height > 1000
    done = run(
        "med-view", *options, "-o", f"{tmp_path}/each/", "--panels", "matrix,null", "--format", "svg", cwd=folder
    )
    assert done.returncode == 0 and b"2 pictures in" in done.stderr
    assert sorted(one.name for one in (tmp_path / "each").iterdir()) == ["a.svg", "b.svg"]


def test_the_picture_says_what_the_score_says(run: Run, folder: Path) -> None:
    options = ["found.jsonl", "--truth", "true.jsonl", "--null", "noise=noise.jsonl", "--min-shift", "10"]
    scored = run("med-score", "text", *options, "--draws", "0", cwd=folder)
    rows = {record["id"]: record for record in map(json.loads, scored.stdout.splitlines())}
    for story, more in (("all", []), ("b", ["--record", "b"])):
        said = page(run, folder, *options, "--panels", "text", *more)
        assert f"identified {rows[story]['identification']:.3f} (chance 0.5)" in said
        for name, null in rows[story]["nulls"].items():
            assert f"p {null['identification']['p']:.4f} ({name})" in said


def test_a_page_has_the_text_and_the_words_that_are_shared(run: Run, folder: Path) -> None:
    made = page(run, folder, "found.jsonl", "--truth", "true.jsonl")
    assert made.count("<tr><td>") == 16 and made.count("<svg") == 1 and "<td>0:56</td>" in made
    first = re.findall(r"<tr><td>0:00</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>", made)[0]
    assert first[1].endswith(" and home") and re.search(r"<[bi]>\w+</[bi]>", first[1])
    none = run("med-view", "found.jsonl", "--truth", "true.jsonl", "--from", "99", "-o", "none.html", cwd=folder)
    assert none.returncode == 1 and b"no window begins at 99 s or later" in none.stderr
    late = page(run, folder, "found.jsonl", "--truth", "true.jsonl", "--from", "40", "--panels", "text")
    assert late.count("<tr><td>") == 6 and "<svg" not in late


@pytest.mark.parametrize("kind", ["png", "svg", "html"])
def test_any_text_is_drawn(run: Run, tmp_path: Path, kind: str) -> None:
    true = [{"id": f"o{k}", "story": "$_<b>%", "t0": 20.0 * k, "text": text} for k, text in enumerate(ODD)]
    write(tmp_path / "true.jsonl", [*true, {"id": "one", "story": "one", "t0": 0.5, "text": "a window"}])
    found = [{"id": f"o{k}", "text": ODD[k - 1] + " the end"} for k in range(len(ODD))]
    error = {"id": "x", "error": {"command": "fmri-decode", "type": "no-responses", "message": "none"}}
    write(tmp_path / "found.jsonl", [error, *found, {"id": "one", "text": ""}])
    done = run("med-view", "found.jsonl", "--truth", "true.jsonl", "-o", f"x.{kind}", cwd=tmp_path)
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 2
    told = [b"1 error records in found.jsonl left out", b"1 decoded texts are empty; 1 true texts are empty",
            b"too short to be shifted by more than 30: one"]  # fmt: skip
    assert b"; ".join(told) in done.stderr
    made = (tmp_path / f"x.{kind}").read_bytes()
    if kind == "png":
        Image.open(io.BytesIO(made)).verify()
    elif kind == "svg":
        assert ElementTree.fromstring(made).tag.endswith("svg")
    else:
        assert b"<script" not in made and b"\x00" not in made and "\u4eca\u5929".encode() in made


def test_without_time_or_a_second_window_nothing_is_controlled(run: Run, folder: Path, tmp_path: Path) -> None:
    bare = [{"id": f"a@{number}", "text": "a word"} for number in range(2)]
    write(tmp_path / "true.jsonl", bare)
    made = run("med-view", folder / "found.jsonl", "--truth", "true.jsonl", "-o", "x.html", cwd=tmp_path)
    for said in (
        b"no record of true.jsonl has story: one story",
        b"has t0: no shifts",
        b"uncontrolled",
        b"14 texts of",
    ):
        assert said in made.stderr
    assert "uncontrolled: no null" in (tmp_path / "x.html").read_text()
    write(tmp_path / "true.jsonl", bare[:1])
    done = run("med-view", folder / "found.jsonl", "--truth", "true.jsonl", "-o", "one.png", cwd=tmp_path)
    assert done.returncode == 0 and b"uncontrolled" in done.stderr and (tmp_path / "one.png").exists()


@pytest.mark.parametrize(
    ("found", "options", "code", "said"),
    [
        ({"text": "a", "teacher_forced": True}, ["--truth", "true.jsonl"], 65, "a@0 is teacher_forced"),
        ({"text": ["a"]}, ["--truth", "true.jsonl"], 65, "a@0 has something else as text"),
        (
            {"id": "omega", "text": "a"},
            ["--truth", "true.jsonl"],
            65,
            "no id is in both the predictions and",
        ),
        ({"text": "a"}, ["--truth", "true.jsonl", "--record", "c"], 65, "no story c in the input; there is a"),
        ({"text": "a"}, ["--truth", "true.jsonl", "--from", "99"], 1, "no window begins at 99 s or later"),
        ({"text": "a"}, ["--truth", "true.jsonl", "--null", "n=none.jsonl"], 66, "none.jsonl: no such file"),
        ({"text": "a"}, ["--truth", "true.jsonl", "--panels", "box"], 2, "--panels box"),
        ({"text": "a"}, ["--panels", "text"], 2, "go with decoded text"),
        ({"text": "a"}, ["--truth", "none.jsonl"], 66, "none.jsonl: no such file"),
        ({"text": "a"}, ["--truth", "-"], 1, "text is drawn beside what was there: --truth FILE"),
        ({"text": "a"}, [], 1, "text is drawn beside what was there: --truth FILE"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_line(
    run: Run, folder: Path, tmp_path: Path, found: dict, options: list[str], code: int, said: str
) -> None:
    (tmp_path / "true.jsonl").write_bytes((folder / "true.jsonl").read_bytes())
    write(tmp_path / "found.jsonl", [{"id": "a@0", **found}])
    done = run("med-view", "found.jsonl", *options, "-o", "x.png", cwd=tmp_path)
    assert done.returncode == code and said in " ".join(done.stderr.decode().split()), done.stderr
    assert b"Traceback" not in done.stderr and not (tmp_path / "x.png").exists()
    assert code == 2 or len(done.stderr.splitlines()) == 1


def test_windows_before_the_words_are_shown_unless_a_start_is_given(run: Run, folder: Path, tmp_path: Path) -> None:
    truth = [{**window("a", number), "t0": 20.0 * number - 30} for number in range(8)]
    write(tmp_path / "true.jsonl", [{key: one[key] for key in ("id", "story", "t0", "text")} for one in truth])
    options = ["found.jsonl", "--truth", tmp_path / "true.jsonl", "--panels", "text"]
    assert "<td>-0:30</td>" in page(run, folder, *options)
    late = page(run, folder, *options, "--from", "5")
    assert "<td>-0:30</td>" not in late and "<td>0:10</td>" in late

"""med-score boxes: streams met with truth of every form, and one clear line for what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medpipe.cli.box_truth import one_spelling, read_box_stream

TRUTH = {
    "a": [("mass", [10, 10, 20, 30]), ("mass", [50, 50, 60, 60])],
    "b": [("effusion", [0, 0, 40, 20])],
    "c": [],
}
FOUND = {
    "a": [("mass", [10, 10, 20, 30], 0.9), ("effusion", [1, 1, 9, 9], 0.8)],
    "b": [("effusion", [0, 0, 40, 10], 0.7)],
    "c": [("mass", [5, 5, 9, 9], 0.2)],
}


def stream(boxes: dict, **extra: object) -> bytes:
    lines = []
    for ident, several in boxes.items():
        each = [dict(zip(("label", "xyxy", "score"), one, strict=False)) for one in several]
        lines.append(json.dumps({"id": f"scans/{ident}.png", "boxes": each, **extra}))
    return "\n".join(lines).encode() + b"\n"


def rows(output: bytes) -> dict[str, dict]:
    return {one["id"]: one for one in map(json.loads, output.splitlines())}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "truth.jsonl").write_bytes(stream(TRUTH))
    (tmp_path / "found.jsonl").write_bytes(stream(FOUND))
    return tmp_path


def test_metrics_are_lines_and_the_table_is_beside_them(run, files: Path) -> None:
    done = run("med-score", "boxes", "found.jsonl", "--truth", "truth.jsonl", "--draws", "100", cwd=files)
    made = rows(done.stdout)
    assert done.returncode == 0 and list(made) == ["effusion", "mass", "all"]
    # Half of the boxes found before anything false; the false one comes after.
    assert made["mass"]["ap50"] == pytest.approx(51 / 101) and made["mass"]["best_iou"] == pytest.approx(0.5)
    # The overlap is one half exactly, after a false box of a higher score.
    assert made["effusion"]["ap50"] == pytest.approx(0.5)
    assert made["effusion"]["specificity"] == 0.5 and made["mass"]["specificity"] == 0.5
    assert made["all"]["boxes"] == 3 and len(made["all"]["ap50_ci95"]) == 2 and made["all"]["mode"] == "with-negatives"
    assert b"best IoU" in done.stderr and b"rodeo total" in done.stderr


def test_papers_ask_only_for_what_is_there(run, files: Path) -> None:
    made = rows(run("med-score", "boxes", "found.jsonl", "--truth", "truth.jsonl", "--mode", "paper", cwd=files).stdout)
    assert made["effusion"]["ap50"] == pytest.approx(1) and made["all"]["specificity"] is None


def test_a_run_against_itself_differs_by_nothing(run, files: Path) -> None:
    done = run("med-score", "boxes", "found.jsonl", "--against", "found.jsonl", "--truth", "truth.jsonl", cwd=files)
    made = rows(done.stdout)["all"]
    assert (
        made["ap50_difference"] == 0 and made["ap50_difference_ci95"] == [0, 0] and made["ap50"] == made["ap50_against"]
    )


def test_truth_of_other_forms_says_the_same(run, files: Path) -> None:
    from medpipe.formats.box_files import Annotated
    from medpipe.formats.box_write import WRITERS, write_boxes

    expected = rows(run("med-score", "boxes", "found.jsonl", "--truth", "truth.jsonl", cwd=files).stdout)
    images = [
        Annotated(ident, (99, 99), [(label, tuple(box)) for label, box in several]) for ident, several in TRUTH.items()
    ]
    for form in WRITERS:
        (files / form).mkdir()
        names = []
        for name, content in write_boxes(images, form):
            (files / form / name).write_bytes(content)
            names.append(name)
        path = form if form == "voc" else f"{form}/{names[0]}"
        made = rows(run("med-score", "boxes", "found.jsonl", "--truth", path, cwd=files).stdout)
        assert made == expected, form


def test_a_label_is_the_same_in_other_letters(files: Path) -> None:
    capital = {"a": [("Nodule/Mass", [10, 10, 20, 30], 0.5)]}
    (files / "other.jsonl").write_bytes(stream(capital, present={"NODULE_or_mass": 0.5}))
    found = read_box_stream(str(files / "other.jsonl"))
    found.rename(one_spelling(["nodule or mass", "Nodule/Mass"]))
    assert found.boxes["a"][0][0] == "nodule or mass" and found.asked["a"] == ["nodule or mass"]


def test_patients_are_drawn_whole_and_low_scores_left_out(run, files: Path) -> None:
    (files / "truth.jsonl").write_bytes(stream(TRUTH, patient="one"))
    made = rows(run("med-score", "boxes", "found.jsonl", "--truth", "truth.jsonl", "--by", "patient", cwd=files).stdout)
    low, high = made["all"]["ap50_ci95"]
    assert low == pytest.approx(high)
    least = rows(
        run("med-score", "boxes", "found.jsonl", "--truth", "truth.jsonl", "--min-score", "0.5", cwd=files).stdout
    )
    assert least["mass"]["specificity"] == 1 and least["mass"]["found"] == 1


@pytest.mark.parametrize(
    ("found", "options", "code", "said"),
    [
        (b'{"id":"a"}\n', [], 65, b"a has no boxes"),
        (b'{"id":"a","boxes":[{"label":"mass"}]}\n', [], 65, b"no label or no xyxy"),
        (b'{"id":"a","boxes":[{"label":"mass","xyxy":[9,0,1,1]}]}\n', [], 65, b"second corner before its first"),
        (b'{"id":"a","boxes":[{"label":"mass","xyxy":[0,0,1,1],"score":"x"}]}\n', [], 65, b"score that is no number"),
        (b'{"id":"a","boxes":[]}\n{"id":"b/a","boxes":[]}\n', [], 65, b"the image a is there twice"),
        (b'{"id":"z","boxes":[]}\n', [], 65, b"no image is in both"),
        (stream(FOUND), ["--mode", "other"], 2, b"--mode other"),
        (stream(FOUND), ["--against", "none"], 66, b"none: no such file"),
        (stream(FOUND), ["--draws", "5"], 2, b"--draws 5"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_line(
    run, files: Path, found: bytes, options: list, code: int, said: bytes
) -> None:
    done = run("med-score", "boxes", "-", "--truth", "truth.jsonl", *options, stdin=found, cwd=files)
    assert done.returncode == code and said in done.stderr and b"Traceback" not in done.stderr and not done.stdout

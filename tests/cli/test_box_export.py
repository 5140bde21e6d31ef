"""med-cat --boxes: found boxes as files of other tools, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

CT = get_testdata_file("CT_small.dcm")
BOXES = [{"label": "mass", "xyxy": [10.5, 20.25, 60.0, 80.0], "score": 0.5}]


def record(**more: object) -> bytes:
    made = {"id": "scans/a", "source": {"path": CT, "format": "dicom"}, "fit": {"image": [128, 128]}, "boxes": BOXES}
    return json.dumps(made | more).encode() + b"\n"


@pytest.mark.parametrize(("form", "out"), [("coco", "b.json"), ("vindr", "b.csv"), ("voc", "b/")])
def test_boxes_are_read_back_as_they_were(run, tmp_path: Path, form: str, out: str) -> None:
    done = run("med-cat", "--boxes", form, "-o", out, stdin=record() + record(id="b", boxes=[]), cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr
    scored = run("med-score", "boxes", "-", "--truth", out, "--draws", "0", stdin=record(), cwd=tmp_path)
    whole = [json.loads(line) for line in scored.stdout.splitlines()][-1]
    assert whole["boxes"] == 1 and whole["ap75"] == pytest.approx(1)


@pytest.mark.parametrize(("form", "out"), [("coco", "b.json"), ("vindr", "b.csv"), ("voc", "b/")])
def test_scores_rank_the_boxes_of_files_too(run, tmp_path: Path, form: str, out: str) -> None:
    false = {"label": "mass", "xyxy": [90, 90, 99, 99], "score": 0.4}
    (tmp_path / "truth.jsonl").write_bytes(record())
    run("med-cat", "--boxes", form, "-o", out, stdin=record(boxes=[false, *BOXES]), cwd=tmp_path)
    done = run("med-score", "boxes", out, "--truth", "truth.jsonl", "--draws", "0", cwd=tmp_path)
    assert json.loads(done.stdout.splitlines()[-1])["ap50"] == pytest.approx(1) and b"no score" not in done.stderr
    run("med-cat", "--boxes", form, "-o", out, stdin=record(boxes=[{**BOXES[0], "score": None}]), cwd=tmp_path)
    done = run("med-score", "boxes", out, "--truth", "truth.jsonl", "--draws", "0", cwd=tmp_path)
    assert b"1 boxes of " + out.encode() + b" have no score and count as 1" in done.stderr


def test_a_presentation_state_refers_to_its_image(run, tmp_path: Path) -> None:
    done = run("med-cat", "--boxes", "dicom", "-o", "states/", stdin=record(), cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr
    state, image = dcmread(tmp_path / "states/a.dcm"), dcmread(CT)
    assert state.SOPClassUID.name == "Grayscale Softcopy Presentation State Storage"
    assert state.StudyInstanceUID == image.StudyInstanceUID
    referred = state.ReferencedSeriesSequence[0].ReferencedImageSequence[0]
    assert referred.ReferencedSOPInstanceUID == image.SOPInstanceUID
    graphic = state.GraphicAnnotationSequence[0]
    assert graphic.GraphicObjectSequence[0].GraphicData[:4] == [10.5, 20.25, 60, 20.25]
    assert graphic.TextObjectSequence[0].UnformattedTextValue == "mass 0.50"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (record(source={"path": "x.png", "format": "png"}), "names no DICOM file"),
        (record(source={"format": "dicom"}), "names no DICOM file"),
        (record(boxes=[{"label": "mass", "xyxy": [0, 0, 500, 500]}]), "outside the image of 128 x 128"),
        (record(boxes=[{"label": "mass", "xyxy": [0, 0]}]), "no xyxy of four numbers"),
        (b'{"id":"x"}\n', "has no boxes"),
        (record(error={"type": "a", "message": "b", "command": "c"}), "an error record has no boxes"),
    ],
)
def test_what_cannot_be_written_is_said(run, tmp_path: Path, line: bytes, said: str) -> None:
    done = run("med-cat", "--boxes", "dicom", "-o", "states/", stdin=line, cwd=tmp_path)
    assert done.returncode == 1 and said in done.stderr.decode() and b"Traceback" not in done.stderr
    assert not any((tmp_path / "states").glob("*")) if (tmp_path / "states").exists() else True


def test_frames_of_a_class_of_single_images_are_named_as_such(run, tmp_path: Path) -> None:
    image = dcmread(CT)
    image.NumberOfFrames, image.PixelData = 2, 2 * image.PixelData
    image.save_as(tmp_path / "two.dcm")
    source = {"path": "two.dcm", "format": "dicom", "index": 1}
    done = run("med-cat", "--boxes", "dicom", "-o", "states/", stdin=record(source=source), cwd=tmp_path)
    assert done.returncode == 1 and b"no frame of a file of CT Image Storage can be referred to" in done.stderr


def test_an_image_without_a_box_has_an_empty_state(run, tmp_path: Path) -> None:
    done = run("med-cat", "--boxes", "dicom", "-o", "states/", stdin=record(boxes=[]), cwd=tmp_path)
    assert done.returncode == 0 and "GraphicAnnotationSequence" not in dcmread(tmp_path / "states/a.dcm")


def test_names_of_files_are_kept_and_names_twice_refused(run, tmp_path: Path) -> None:
    coco = json.loads(run("med-cat", "--boxes", "coco", "--head", "1", stdin=record(id="x/CT_small") + record()).stdout)
    assert [one["file_name"] for one in coco["images"]] == ["CT_small.dcm"]
    done = run("med-cat", "--boxes", "coco", stdin=record(id="x/a") + record(id="y/a"))
    assert done.returncode == 65 and b"two records are called 'a'" in done.stderr
    assert run("med-cat", "--boxes", "coco", "-o", "out/", stdin=record(), cwd=tmp_path).returncode == 2


def test_a_name_stays_inside_its_folder(run, tmp_path: Path) -> None:
    done = run("med-cat", "--boxes", "voc", "-o", "in/out/", stdin=record(id="../../evil"), cwd=tmp_path)
    assert done.returncode == 0 and [path.name for path in tmp_path.rglob("*.xml")] == ["evil.xml"]
    assert (tmp_path / "in/out/evil.xml").is_file()
    assert run("med-cat", "--boxes", "voc", "-o", "out.xml", stdin=record(), cwd=tmp_path).returncode == 2

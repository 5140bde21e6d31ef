"""med-view on images: proportions, boxes, the scale bar, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pybase64
import pytest
from pydicom.data import get_testdata_file

from medpipe.cli.box_truth import BoxStream
from medpipe.cli.view_image import image_figure, with_image
from medpipe.core.draw.image import Box, draw_image
from medpipe.formats.errors import FormatError
from medpipe.formats.registry import ReadOptions, open_file

CT = get_testdata_file("CT_small.dcm")


def record(pixels: np.ndarray, **keys: object) -> bytes:
    spec = {
        "dtype": pixels.dtype.str,
        "shape": list(pixels.shape),
        "b64": pybase64.b64encode(pixels.tobytes()).decode(),
    }
    return json.dumps({"id": "x", "image": spec, **keys}).encode() + b"\n"


def drawn(run, stdin: bytes, *options: object) -> np.ndarray:
    done = run("med-view", "-", "-o", "-", "--dpi", "100", *options, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return np.asarray(PIL.Image.open(io.BytesIO(done.stdout)).convert("RGB")).astype(int)


def test_an_image_fills_the_page_in_its_proportions(run) -> None:
    white = np.full((50, 100), 255, np.uint8)
    for spacing, ratio in ((None, 2.0), ([1.0, 1.0], 2.0), ([2.0, 1.0], 1.0)):
        page = drawn(run, record(white, **({"spacing": spacing} if spacing else {})), "--title", "")
        rows, columns = np.nonzero((page > 250).all(axis=2))
        # The bar, which is not quite white, and the writing are outside.
        assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(ratio, rel=0.02), spacing


def test_a_box_is_drawn_where_it_is_said_to_be(run) -> None:
    black = np.zeros((100, 100), np.uint8)
    page = drawn(run, record(black, boxes=[{"label": "mass", "xyxy": [20, 40, 60, 90], "score": 0.5}]), "--title", "")
    orange = (abs(page - [0xE6, 0x9F, 0x00]) < 30).all(axis=2)
    rows, columns = np.nonzero(orange)
    size = 0.98 * 700
    assert (columns.min() - 7) / size == pytest.approx(0.2, abs=0.01)
    assert (columns.max() - 7) / size == pytest.approx(0.6, abs=0.01)
    assert (np.ptp(rows) / size) == pytest.approx(0.5, abs=0.06)


def test_the_bar_is_as_long_as_it_says(run) -> None:
    for shape in ((100, 100), (900, 100)):
        page = drawn(run, record(np.zeros(shape, np.uint8), spacing=[0.3, 0.3]), "--title", "")
        last = page[-40:]
        columns = np.nonzero((abs(last - 0xF2) < 8).all(axis=2).sum(axis=0) >= 4)[0]
        run_of = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)[0]
        # 10 mm of 30: of the page's width, or of what a tall picture takes of it.
        width = min(0.98 * 700, 100 * (page.shape[0] - 70) / shape[0])
        assert len(run_of) / width == pytest.approx(1 / 3, abs=0.02)


def test_files_are_drawn_in_every_form(run, tmp_path: Path) -> None:
    for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("html", b"<!doctype html")):
        done = run("med-view", CT, "-o", tmp_path / f"x.{suffix}", "--voi", "bone")
        assert done.returncode == 0 and (tmp_path / f"x.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (record(np.zeros((4, 5), np.uint8), boxes=[{"label": "x"}]), b"boxes is not a list"),
        (record(np.zeros((4, 5), np.uint8), spacing=[1]), b"spacing is not two lengths"),
        (record(np.zeros((4, 5, 2), np.uint8)), b"image is not [rows, columns]"),
        (record(np.zeros((4, 5, 3), np.uint16)), b"more than 8 bits is not drawn"),
    ],
)
def test_what_cannot_be_drawn_is_said(run, tmp_path: Path, stdin: bytes, said: bytes) -> None:
    done = run("med-view", "-", "-o", tmp_path / "x.png", stdin=stdin)
    assert done.returncode == 1 and said in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("source", [{"path": CT, "index": 7}, {"path": CT, "index": "z"}, {"path": "/nowhere.png"}])
def test_a_record_whose_image_is_gone_is_one_line(run, tmp_path: Path, source: dict) -> None:
    line = json.dumps({"id": "x", "source": source, "boxes": []}).encode()
    done = run("med-view", "-o", tmp_path / "x.png", stdin=line)
    assert done.returncode == 1 and b"Traceback" not in done.stderr and done.stderr.count(b"\n") == 1


def test_the_image_of_found_boxes_is_read_again_and_the_truth_laid_over_it(run, tmp_path: Path) -> None:
    line = json.dumps({"id": "ct", "source": {"path": CT}, "boxes": [{"label": "a", "xyxy": [1, 1, 50, 50]}]}).encode()
    (tmp_path / "truth.jsonl").write_bytes(line)
    for name, options in (("plain", ()), ("both", ("--truth", tmp_path / "truth.jsonl"))):
        assert run("med-view", *options, "-o", tmp_path / f"{name}.svg", stdin=line).returncode == 0
    assert b"stroke-dasharray" in (tmp_path / "both.svg").read_bytes()
    assert b"stroke-dasharray" not in (tmp_path / "plain.svg").read_bytes()
    other = run("med-view", "--truth", tmp_path / "truth.jsonl", "-o", tmp_path / "x.png", CT)
    assert other.returncode == 1 and b"says nothing of this image" in other.stderr


BOXED = {"id": "x", "boxes": [{"label": "a", "xyxy": [1, 1, 50, 50]}]}


def test_the_image_is_read_again_through_the_record_s_window() -> None:
    plain = open_file(CT, "dicom", ReadOptions())[0].read()
    for voi in ("bone", "none", "30,200", "file"):
        (seen,) = open_file(CT, "dicom", ReadOptions(voi=voi))
        line = {**BOXED, "source": {"path": CT}, "pixels": json.loads(json.dumps(seen.pixels))}
        again = with_image(line, ReadOptions())
        np.testing.assert_array_equal(again["image"].read(), seen.read())
        own = with_image(line, ReadOptions(), own_voi=True)
        np.testing.assert_array_equal(own["image"].read(), plain)
        assert own["pixels"]["voi"] != seen.pixels["voi"] or voi == "file"


def test_the_record_s_slice_is_read_and_no_other(tmp_path: Path) -> None:
    path = str(tmp_path / "x.nii")
    nibabel.save(nibabel.Nifti1Image(np.arange(60 * 50 * 20, dtype=np.int16).reshape(60, 50, 20), np.eye(4)), path)
    (seen,) = open_file(path, "nifti", ReadOptions(slice="axial:7"))
    line = {**BOXED, "source": {"path": path}, "notes": seen.said, "pixels": seen.pixels}
    np.testing.assert_array_equal(with_image(line, ReadOptions())["image"].read(), seen.read())
    with pytest.raises(FormatError, match="the slice axial 7, not of coronal 25"):
        with_image(line, ReadOptions(slice="coronal:mid"))


@pytest.mark.parametrize(
    ("more", "said"),
    [({"fit": {"image": [20, 30]}}, "for a picture of 20 x 30"), ({"boxes": [{"label": "a", "xyxy": [0, 0, 9, 999]}]},
     "a box of a lies outside")],
)  # fmt: skip
def test_found_boxes_of_another_picture_are_refused(more: dict, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        image_figure(with_image({**BOXED, "source": {"path": CT}, **more}, ReadOptions()), "")


def test_what_was_not_found_is_said_and_labels_keep_their_colour_in_other_letters() -> None:
    line = {**BOXED, "source": {"path": CT}, "present": {"a": 0.9, "nodule": 0.1}}
    truth = BoxStream(boxes={"x": [("A", (1, 1, 50, 50), 1.0)]})
    figure = image_figure(with_image(line, ReadOptions()), "", truth)
    assert any("not found: nodule" in text.get_text() for text in figure.texts)
    solid, dashed = figure.axes[0].patches
    assert solid.get_edgecolor() == dashed.get_edgecolor()


def test_true_boxes_outside_the_picture_are_refused(run, tmp_path: Path) -> None:
    line = json.dumps({"id": "ct", "source": {"path": CT}, "boxes": [{"label": "a", "xyxy": [1, 1, 50, 50]}]}).encode()
    (tmp_path / "truth.jsonl").write_bytes(line.replace(b"50, 50", b"50, 5000"))
    done = run("med-view", "--truth", tmp_path / "truth.jsonl", "-o", tmp_path / "x.png", stdin=line)
    assert done.returncode == 1 and b"a box of a lies outside the picture of" in done.stderr


def test_a_true_box_that_was_not_found_bears_its_label() -> None:
    boxes = [Box("a", (1, 1, 5, 5), 0.5), Box("a", (2, 2, 6, 6), true=True), Box("b", (3, 3, 7, 7), true=True),
             Box("b", (4, 4, 8, 8), true=True)]  # fmt: skip
    (axes,) = draw_image(np.zeros((9, 9), np.uint8), boxes=boxes).axes
    assert [text.get_text() for text in axes.texts] == ["a 0.50", "b", "b"]
    (edge,) = draw_image(np.zeros((90, 90), np.uint8), boxes=[Box("a", (1, 0, 5, 5))]).axes
    assert edge.texts[0].get_va() == "top" and axes.texts[0].get_va() == "bottom"

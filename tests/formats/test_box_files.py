"""Files of boxes: what is written is read, real files are read, and what is none is one clear line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.formats.box_files import Annotated, read_boxes
from medpipe.formats.box_write import WRITERS, write_boxes
from medpipe.formats.errors import FormatError

BCCD = Path(os.environ.get("MEDPIPE_DATA", "/nowhere")) / "boxes/bccd/annotations"
LABELS = st.sampled_from(["Nodule/Mass", "pleural effusion", "ILD", "RBC & <co>", "Lungenödem"])
EDGES = st.integers(0, 40000).map(lambda number: number / 8)
BOXES = st.tuples(LABELS, st.tuples(EDGES, EDGES, EDGES, EDGES)).map(
    lambda one: (one[0], (*map(min, one[1][:2], one[1][2:]), *map(max, one[1][:2], one[1][2:])))
)


def scored(image: Annotated) -> Annotated:
    """With a score for each box but the second."""
    image.scores = [None if place == 1 else 1 / (place + 3) for place in range(len(image.boxes))]
    return image


IMAGES = st.lists(
    st.builds(Annotated, st.from_regex(r"[a-z0-9]{1,8}(\.[0-9]{1,3}){0,3}", fullmatch=True),
              st.tuples(st.integers(1, 9000), st.integers(1, 9000)), st.lists(BOXES, max_size=3)).map(scored),
    min_size=1, max_size=4, unique_by=lambda one: one.id,
)  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
@given(images=IMAGES)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, form: str, images: list[Annotated]) -> None:
    folder = tmp_path_factory.mktemp("boxes")
    files = list(write_boxes(images, form))
    for name, content in files:
        (folder / name).write_bytes(content)
    found = read_boxes(str(folder if form == "voc" else folder / files[0][0]))
    assert {one.id: list(one.scored()) for one in found} == {one.id: list(one.scored()) for one in images}
    if form != "vindr":
        assert {one.id: one.size for one in found} == {one.id: one.size for one in images}


@pytest.mark.skipif(not BCCD.is_dir(), reason="MEDPIPE_DATA has no boxes/bccd")
def test_real_voc_files_are_read() -> None:
    found = read_boxes(str(BCCD))
    assert len(found) == 292 and {label for one in found for label, _ in one.boxes} == {"RBC", "WBC", "Platelets"}
    assert found[0].id == "BloodImage_00000" and ("WBC", (260.0, 177.0, 491.0, 376.0)) in found[0].boxes


def test_coco_results_are_read_beside_the_file_that_names_their_images(tmp_path: Path) -> None:
    truth, found = tmp_path / "t.json", tmp_path / "f.json"
    truth.write_text(json.dumps({"images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
                                 "categories": [{"id": 2, "name": "ILD"}], "annotations": []}))  # fmt: skip
    found.write_text(json.dumps([{"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.25}]))
    read = read_boxes(str(found), str(truth))
    assert [(one.id, list(one.scored())) for one in read] == [("a", [("ILD", (1, 2, 4, 6), 0.25)]), ("b", [])]
    with pytest.raises(FormatError, match="beside its COCO file"):
        read_boxes(str(found))


def test_the_size_of_an_image_is_left_out_where_it_is_not_known() -> None:
    ((_, content),) = write_boxes([Annotated("a")], "coco")
    assert json.loads(content)["images"] == [{"id": 1, "file_name": "a"}]


def test_an_image_of_which_nothing_was_found_is_an_image(tmp_path: Path) -> None:
    text = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\nab12,R1,No finding,,,,\ncd,R2,ILD,1,2,3,4\n"
    (tmp_path / "train.csv").write_text(text)
    found = read_boxes(str(tmp_path / "train.csv"))
    assert [(one.id, one.boxes) for one in found] == [("ab12", []), ("cd", [("ILD", (1, 2, 3, 4))])]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "id,label\n1,2\n", "VinDr's CSV with image_id"),
        ("x.csv", "image_id,class_name,x_min,y_min,x_max,y_max\na,ILD,1,2,,4\n", "row 2: a box without four numbers"),
        ("x.csv", "image_id,class_name,x_min,y_min,x_max,y_max\na,ILD,9,2,3,4\n", "row 2: a box whose second corner"),
        (
            "x.csv",
            "image_id,class_name,x_min,y_min,x_max,y_max,score\na,ILD,1,2,3,4,high\n",
            "row 2: a box with a score",
        ),
        ("x.json", "{", "no COCO file"),
        ("x.json", json.dumps({"images": [], "categories": [], "annotations": [{"bbox": [1]}]}), "no COCO file"),
        ("x.xml", "<annotation><object>", "no VOC file"),
        ("x.xml", "<a><object><name>x</name><bndbox><xmin>1</xmin></bndbox></object></a>", "no VOC file"),
        ("x.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a/>', "document type is not read"),
        ("x.bin", "\x00\x01", "no file of boxes that is read"),
    ],
)
def test_what_is_no_file_of_boxes_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(FormatError, match=said) as caught:
        read_boxes(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "no .xml file")):
        with pytest.raises(FormatError, match=said):
            read_boxes(str(path))

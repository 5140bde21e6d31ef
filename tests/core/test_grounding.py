"""Boxes there and back, the tokens they are written in, and the words that ask for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.box_overlap import overlaps
from medpipe.core.errors import InputError
from medpipe.core.vision.findings import SHIPPED, Knowledge, normal_name
from medpipe.core.vision.grounding_prompt import TEMPLATES, grounding_prompt
from medpipe.core.vision.letterbox import Fit, fit_pixels
from medpipe.core.vision.location_tokens import BINS, centres, parse, quantise, written
from medpipe.core.vision.suppression import suppress

SIDES = st.integers(1, 5000)
SHARES = st.tuples(*[st.floats(0, 1)] * 4)


@given(SIDES, SIDES, st.sampled_from([224, 512, 768]), st.sampled_from(["letterbox", "stretch"]), SHARES)
def test_a_box_comes_back_within_one_bin(width: int, height: int, side: int, how: str, shares: tuple) -> None:
    fit = Fit.make((width, height), (side, side), how)
    (left, right), (top, bottom) = sorted(shares[:2]), sorted(shares[2:])
    box = np.array([[left * width, top * height, right * width, bottom * height]])
    back = fit.to_image(centres(quantise(fit.to_model(box), fit.model), fit.model))
    bin_sides = np.array([side / BINS / fit.scale[0], side / BINS / fit.scale[1]] * 2)
    assert (np.abs(back - box) <= bin_sides + 1e-6).all()


@given(SIDES, SIDES)
def test_a_letterbox_keeps_proportions_and_stays_in_the_middle(width: int, height: int) -> None:
    fit = Fit.make((width, height), (512, 512), "letterbox")
    longest = max(width, height)
    for side, shown, offset in zip((width, height), fit.shown, fit.offset, strict=True):
        assert abs(shown - max(1, 512 * side / longest)) <= 0.5 + 1e-9
        assert abs(512 - shown - 2 * offset) <= 1
    assert 512 in fit.shown


def test_the_far_edge_is_in_the_last_bin() -> None:
    assert quantise(np.array([[0.0, 0.0, 768.0, 512.0]]), (768, 512)).tolist() == [[0, 0, 999, 999]]
    assert quantise(np.array([[-5.0, 0.0, 900.0, 512.0]]), (768, 512)).tolist() == [[0, 0, 999, 999]]


def test_pixels_lie_where_the_fit_says() -> None:
    pixels = np.full((10, 40), 200, np.uint8)
    fit = Fit.make((40, 10), (80, 80), "letterbox")
    whole = fit_pixels(pixels, fit)
    assert whole.shape == (80, 80, 3) and fit.offset == (0, 30)
    assert (whole[30:50] == 200).all() and not whole[:30].any() and not whole[50:].any()
    assert (fit_pixels(np.stack([pixels] * 3, axis=2), fit) == whole).all()


@given(st.lists(st.tuples(*[st.integers(0, 499)] * 2, *[st.integers(500, 999)] * 2), min_size=1, max_size=4))
def test_what_is_written_is_read(boxes: list[tuple[int, int, int, int]]) -> None:
    found = parse(f"</s><s>{written('lung opacity', boxes)}</s><pad>")
    assert found.boxes == [("lung opacity", box) for box in boxes] and not found.dropped
    assert found.places == [4 * place for place in range(len(boxes))]


@pytest.mark.parametrize(
    ("text", "boxes", "dropped"),
    [
        ("mass<loc_9><loc_1><loc_3><loc_4>", [], {"inverted": 1}),
        ("mass<loc_1><loc_9><loc_3><loc_4>", [], {"inverted": 1}),
        ("mass<loc_1><loc_2><loc_3>", [], {"incomplete": 1}),
        ("mass<loc_1><loc_2><loc_3><loc_4><loc_5>", [("mass", (1, 2, 3, 4))], {"incomplete": 1}),
        ("<loc_1><loc_2><loc_3><loc_4>", [], {"unlabelled": 1}),
        ("mass<loc_1><loc_2><loc_3><loc_1000>", [], {"out_of_range": 1}),
        ("mass<loc_1><loc_2><loc_1><loc_2>", [("mass", (1, 2, 1, 2))], {}),
        ("a<loc_1><loc_2><loc_3><loc_4>b<loc_5><loc_6><loc_7><loc_8>", [("a", (1, 2, 3, 4)), ("b", (5, 6, 7, 8))], {}),
        ("nothing here", [], {}),
        ("", [], {}),
    ],
)
def test_what_is_no_box_is_counted(text: str, boxes: list, dropped: dict[str, int]) -> None:
    found = parse(text)
    assert (found.boxes, found.dropped) == (boxes, dropped)


def test_places_count_the_tokens_of_what_was_dropped_too() -> None:
    found = parse("a<loc_9><loc_1><loc_3><loc_4><loc_1><loc_2><loc_3><loc_4><loc_7>b<loc_1><loc_1><loc_2><loc_2>")
    assert [label for label, _ in found.boxes] == ["a", "b"] and found.places == [4, 9]


def test_lesser_boxes_that_overlap_go() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 0, 0]], float)
    np.testing.assert_allclose(overlaps(boxes[:1], boxes)[0], [1, 81 / 119, 0, 0])
    assert suppress(boxes, np.array([0.5, 0.9, 0.1, 0.0]), 0.5) == [1, 2, 3]
    assert suppress(boxes, np.array([0.5, 0.9, 0.1, 0.0]), 0.7) == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "ag-kd-train",
            "Locate the phrases in the caption: Locate the phrases in the caption: edema means wet lung...",
        ),
        ("ag-kd-demo", "Locate the phrases in the caption: Locate the phrases in the caption: edema means wet lung.."),
        ("plain", "Locate the phrases in the caption: edema means wet lung."),
    ],
)
def test_a_prompt_is_the_template_to_the_byte(template: str, text: str) -> None:
    assert grounding_prompt("edema", "wet lung.", template).encode() == text.encode()


def test_without_knowledge_the_name_alone_is_asked_for() -> None:
    assert grounding_prompt("edema", None, "plain") == "Locate the phrases in the caption: edema."
    for template in TEMPLATES:
        with pytest.raises(InputError, match="without a name"):
            grounding_prompt(" ", "x", template)


ATTRIBUTES = ("what", "density", "shape", "border", "location")


def test_every_shipped_finding_is_described_whole_and_names_its_source() -> None:
    whole = yaml.safe_load(SHIPPED.read_text())
    for name, entry in whole["findings"].items():
        assert name == normal_name(name)
        assert set(entry) - {"aliases"} == {*ATTRIBUTES, "source", "reviewed", "sets"}
        assert entry["source"] in whole["sources"] and set(entry["sets"]) <= {"vindr", "vindr-global", "padchest"}
    assert {entry["source"] for entry in whole["findings"].values()} == set(whole["sources"])
    assert sum("vindr" in entry["sets"] for entry in whole["findings"].values()) == 22
    assert all(entry["reviewed"] is False for entry in whole["findings"].values())
    assert "NOT reviewed by a radiologist" in SHIPPED.read_text() and Knowledge.load().reviewed is False


@pytest.mark.parametrize("name", ["nodules", "Mass", "NSG tube", "fracture", "pulmonary oedema", "Volume_loss", "COPD",
                                  "pneumonia", "Tuberculosis", "lung tumor"])  # fmt: skip
def test_other_names_of_a_finding_are_known(name: str) -> None:
    known = Knowledge.load()
    assert known.sentence(name) and (name != "nodules" or known.sentence(name) == known.sentence("Nodule/Mass"))
    sentence = Knowledge.load().sentence("Nodule/Mass")
    assert sentence is not None and sentence.startswith("a rounded growth in the lung, the brightness of soft tissue")
    assert sentence.endswith("surrounded by air.") and "\n" not in sentence


def test_a_users_file_is_names_and_sentences_or_attributes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("Red Cell: a pale disc.\nplatelet: {what: a fragment, density: dark}\n")
    mine = Knowledge.load(path)
    assert mine.sentence("red_cell") == "a pale disc." and mine.sentence("platelet") == "a fragment, dark."
    assert mine.sentence("white cell") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "a: [1\n",
        "a: 3\n",
        "a: {source: x}\n",
        "a: !!python/name:os.system\n",
        "a: {what: [x]}\n",
        "a: b\nA: c\n",
        "findings: {a: b, a: c}\n",
        "1: x\n",
        "'': x\n",
        "a: {what: x, aliases: b}\n",
        "a: {what: x, aliases: [3]}\n",
        "a: &a [*a]\n",
        "a: b\n--- \nc: d\n",
    ],
)
def test_a_file_that_is_no_knowledge_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        Knowledge.load(tmp_path / "x.yaml")
    assert caught.value.kind == "bad-knowledge" and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        Knowledge.load(tmp_path / "none.yaml")


def test_a_box_within_one_bin_has_its_width() -> None:
    np.testing.assert_allclose(centres([(3, 4, 3, 8)], (1000, 1000)), [[3, 4.5, 4, 8.5]])

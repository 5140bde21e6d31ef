"""From picture and findings to boxes in the picture's own pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medpipe.core.errors import InputError, ModelError
from medpipe.core.vision.findings import Knowledge
from medpipe.core.vision.florence import Answer
from medpipe.core.vision.florence_new import new_florence
from medpipe.core.vision.grounder import Grounded, Grounder, Limits, _take, box_facts
from medpipe.core.vision.grounding_folder import open_model
from medpipe.core.vision.grounding_presets import PRESETS, GroundingPreset, asked_as
from medpipe.core.vision.letterbox import Fit

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 90)).astype(np.uint8)
# 200 x 100 in 1000 x 1000: five pixels for one, 250 black rows above and below.
FIT = Fit.make((200, 100), (1000, 1000), "letterbox")
ANSWER = Answer([("x", (0, 250, 999, 749), 0.5), ("x", (100, 300, 199, 399), 0.9), ("x", (105, 305, 204, 404), 0.8)],
                {"inverted": 2}, 0.75, "")  # fmt: skip


def taken(limits: Limits) -> Grounded:
    found = Grounded()
    _take(found, "Mass", ANSWER, FIT, limits)
    return found


def test_boxes_come_in_pixels_of_the_picture_best_first() -> None:
    found = taken(Limits())
    assert [score for *_, score in found.boxes] == [0.9, 0.8, 0.5]
    np.testing.assert_allclose(found.boxes[0][1], (20.1, 10.1, 39.9, 29.9))
    # The middle of the first and the last bin, a tenth of a pixel inside.
    np.testing.assert_allclose(found.boxes[2][1], (0.1, 0.1, 199.9, 99.9))
    assert found.present == {"Mass": 0.75} and found.dropped == {"inverted": 2}


def test_what_the_model_called_a_box_is_kept_where_it_is_another_name() -> None:
    found = Grounded()
    boxes = [("pleural effusion", (0, 250, 999, 749), 0.9), ("the chest", (100, 300, 199, 399), 0.5)]
    _take(found, "Pleural_Effusion", Answer(boxes, {}, 0.7, ""), FIT, Limits())
    made = [box_facts(box, None, found.written.get(place)) for place, box in enumerate(found.boxes)]
    assert [(one["label"], one.get("written")) for one in made] == [
        ("Pleural_Effusion", None), ("Pleural_Effusion", "the chest"),
    ]  # fmt: skip


def test_a_preset_is_applied_or_refused_with_both_sides_named() -> None:
    own = replace(PRESETS["ag-kd"], places_first=True)
    given = asked_as(own, "ag-kd-released")
    assert (given.template, given.beams, given.tokens, given.places_first) == ("ag-kd-train", 1, 300, True)
    mine = GroundingPreset("mine", "ag-kd-train", 512, "letterbox", 3, 1024)
    assert asked_as(mine, "ag-kd-released").beams == 1
    with pytest.raises(ValueError, match="template ag-kd-train, and ag-kd asks with ag-kd-demo"):
        asked_as(mine, "ag-kd")
    with pytest.raises(ModelError, match="smoke is asked with side 64, and florence-2 asks with 768, how letterbox"):
        open_model("smoke", "florence-2")


def test_what_limits_take_away_is_counted() -> None:
    assert len(taken(Limits(overlap=0.5)).boxes) == 2
    assert taken(Limits(overlap=0.5)).dropped == {"inverted": 2, "overlapping": 1}
    assert taken(Limits(most=1)).dropped == {"inverted": 2, "beyond_max": 2}
    assert [score for *_, score in taken(Limits(most=1, overlap=0.5)).boxes] == [0.9]


def test_a_box_is_measured_where_the_spacing_is_known() -> None:
    box = ("mass", (1.0, 2.0, 11.0, 22.0), 0.123456789)
    assert box_facts(box, None) == {"label": "mass", "xyxy": [1, 2, 11, 22], "score": 0.123457}
    # Columns are 0.5 mm apart, rows 0.25.
    assert box_facts(box, (0.25, 0.5))["mm"] == [5, 5]


def test_every_finding_is_asked_and_answered_however_many_go_together() -> None:
    grounder = Grounder(new_florence("smoke", side=64, seed=1), PRESETS["smoke"], Knowledge.load())
    findings = {name: name for name in ("Pleural effusion", "a thing nobody described", "Nodule/Mass")}
    one, fit = grounder.ground(PICTURE, findings, Limits(), together=1)
    all_at_once, _ = grounder.ground(np.stack([PICTURE] * 3, axis=2), findings, Limits())
    assert list(one.present) == list(findings) and all(0 <= share <= 1 for share in one.present.values())
    assert one.present == pytest.approx(all_at_once.present, abs=1e-5)
    assert fit.facts()["image"] == [90, 40] and fit.facts()["how"] == "letterbox"


def test_a_finding_is_asked_with_what_is_known_of_it_or_what_the_user_says() -> None:
    knowing = Grounder(new_florence("smoke", side=64), PRESETS["smoke"], Knowledge.load())
    shipped, own, unknown = knowing.prompts({"Edema": "Edema", "mass": "a white ball", "thing": "thing"})
    assert shipped.startswith("Locate the phrases in the caption: edema means fluid in the tissue")
    assert own.endswith("mass means a white ball.") and unknown.endswith(": thing.")
    assert (
        Grounder(new_florence("smoke", side=64), PRESETS["smoke"]).prompts({"Edema": "Edema"})[0].endswith(": edema.")
    )


def test_values_that_are_no_grey_levels_are_refused() -> None:
    grounder = Grounder(new_florence("smoke", side=64), PRESETS["smoke"])
    for picture in (PICTURE.astype(np.float32), PICTURE[0], np.stack([PICTURE] * 2, axis=2)):
        with pytest.raises(InputError, match="8 bits"):
            grounder.ground(picture, {"mass": "mass"}, Limits())

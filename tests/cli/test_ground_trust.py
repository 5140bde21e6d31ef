"""What a record says of how far it can be trusted: calibrated for what was asked, descriptions reviewed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.cli.grounding import Grounding
from medpipe.core.vision.florence_new import new_florence
from medpipe.core.vision.grounding_folder import write_description, write_static, write_weights
from medpipe.core.vision.grounding_presets import PRESETS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was asked for edema where there is none, and never for a mass where there is none."""
    path = tmp_path_factory.mktemp("model")
    florence = new_florence("smoke", side=64)
    write_static(path, florence)
    write_weights(path, florence.model.state_dict())
    more = {"descriptions": {"edema": "wet.", "mass": "a ball."}}
    write_description(path, PRESETS["smoke"], absent={"edema": 3, "mass": 0}, trained=True, more=more)
    return path


def record(folder: Path, *findings: str, **options: Any) -> dict[str, Any]:
    """Of a grey picture that is asked for the findings."""
    settings = {"queries": {name: name for name in findings}, "model": str(folder), "preset": None, "knowledge": None,
                "described": None, "beams": None, "max_boxes": None, "nms": None, "keep_arrays": False}  # fmt: skip
    grounding = Grounding.open("ground", settings | options, "cpu", None, quiet=True)
    ((made,),) = grounding.transform([{"id": "x", "image": np.full((40, 60), 90, np.uint8)}])
    return made


@pytest.mark.parametrize(
    ("findings", "calibrated", "uncalibrated"),
    [
        (("Edema",), True, None),
        (("mass",), False, None),
        (("Edema", "mass", "goiter"), False, ["mass", "goiter"]),
        (("mass", "goiter"), False, None),
    ],
)
def test_calibrated_is_said_of_all_findings_and_those_for_which_it_is_not_are_named(
    folder: Path, findings: tuple[str, ...], calibrated: bool, uncalibrated: list[str] | None
) -> None:
    made = record(folder, *findings)
    assert made["calibrated"] is calibrated and made.get("uncalibrated") == uncalibrated
    assert list(made["present"]) == list(findings)


@pytest.mark.parametrize(
    ("text", "reviewed"),
    [
        ("a: {what: x, reviewed: true}\nb: {what: y, reviewed: true}\n", True),
        ("a: {what: x, reviewed: true}\nb: {what: y, reviewed: false}\n", False),
        ("a: {what: x, reviewed: true}\nb: a sentence\n", None),
        ("a: {what: x, reviewed: perhaps}\n", None),
        ("a: {what: x, reviewed: [true]}\n", None),
    ],
)
def test_a_record_says_whether_a_radiologist_has_looked_at_the_descriptions(
    folder: Path, tmp_path: Path, text: str, reviewed: bool | None
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    made = record(folder, "a", knowledge=str(tmp_path / "mine.yaml"))
    assert made["grounder"]["reviewed_by_radiologist"] is reviewed


def test_the_shipped_descriptions_are_not_reviewed_and_without_any_nothing_is_said(folder: Path) -> None:
    assert record(folder, "edema")["grounder"]["reviewed_by_radiologist"] is False
    by_name = record(folder, "edema", described=False)["grounder"]
    assert by_name["knowledge"] is None and "reviewed_by_radiologist" not in by_name

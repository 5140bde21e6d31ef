"""The TR of an image is the header's, or that of the nearest sidecar that is about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scans

from medpipe.formats.errors import FormatError
from medpipe.formats.nifti_series import open_nifti
from medpipe.formats.series import repetition_time


def scan(root: Path, tr: float) -> Path:
    """A run of a session, without a sidecar."""
    folder = root / "sub-01/ses-a/func"
    folder.mkdir(parents=True, exist_ok=True)
    return scans.write_scan(folder / "sub-01_ses-a_task-story_bold.nii", scans.values(3), tr=tr)


def say(path: Path, tr: object) -> None:
    path.write_text(json.dumps({"RepetitionTime": tr}))


def told(path: Path) -> tuple[float, str]:
    return repetition_time(open_nifti(str(path)), None)


@pytest.mark.parametrize("tr", [0.0, 1500.0])
def test_where_the_header_says_none_the_nearest_sidecar_does(tmp_path: Path, tr: float) -> None:
    path = scan(tmp_path, tr)
    say(tmp_path / "task-other_bold.json", 3.0)
    with pytest.raises(FormatError, match="give --tr"):
        told(path)
    say(tmp_path / "task-story_bold.json", 1.5)
    assert told(path) == (1.5, "sidecar")
    say(path.with_name("sub-01_ses-a_task-story_bold.json"), 0.8)
    assert told(path) == (0.8, "sidecar")
    # One without a number leaves it to the next.
    say(path.with_name("sub-01_ses-a_task-story_bold.json"), None)
    assert told(path) == (1.5, "sidecar")
    path.with_name("sub-01_ses-a_task-story_bold.json").write_text("{")
    assert told(path) == (1.5, "sidecar")


def test_header_and_sidecar_that_disagree_are_both_named(tmp_path: Path) -> None:
    path = scan(tmp_path, 2.0)
    say(tmp_path / "bold.json", 2.001)
    assert told(path) == (2.0, "header")
    say(tmp_path / "sub-01/sub-01_bold.json", 1.5)
    with pytest.raises(FormatError, match=r"header gives a TR of 2 s, sub-01_bold.json 1.5 s: give --tr"):
        told(path)
    assert repetition_time(open_nifti(str(path)), 1.5) == (1.5, "option")

"""The README's examples print what it says they print, and no command is without one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import nibabel
import pytest
from conftest import BIN
from pydicom.data import get_testdata_file

from medpipe.cli.medpipe import COMMANDS

README = (Path(__file__).parents[1] / "README.md").read_text()
SCANS = {"bold.nii": "functional.nii", "brain.nii": "resampled_anat_moved.nii", "odd.nii.gz": "example4d.nii.gz"}
NUMBER = re.compile(r"(\d+\.\d+)")
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def examples() -> list[tuple[str, str]]:
    """Each command line of the console blocks with what is printed under it."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts]


def assert_matches(expected: str, found: str) -> None:
    """Equal but for `...`, which stands for anything, and for the last digits of numbers."""
    pieces = [
        r"(\d+\.\d+)" if NUMBER.fullmatch(part) else re.escape(part).replace(r"\.\.\.", "(?:.|\n)*?")
        for part in NUMBER.split(expected)
    ]
    match = re.fullmatch("".join(pieces), found)
    assert match, found
    wanted = [float(number) for number in NUMBER.findall(expected)]
    assert [float(number) for number in match.groups()] == pytest.approx(wanted, abs=2e-3)


@needs_jq
def test_the_examples_print_what_the_readme_shows(tmp_path: Path) -> None:
    for name, source in (("ecg.dcm", "waveform_ecg.dcm"), ("ct.dcm", "CT_small.dcm")):
        shutil.copy(get_testdata_file(source), tmp_path / name)
    for name, source in SCANS.items():
        shutil.copy(Path(nibabel.__file__).parent / "tests/data" / source, tmp_path / name)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    for command, expected in examples():
        done = subprocess.run(
            ["bash", "-c", f"{command} 2>&1"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert_matches(expected, done.stdout)


@pytest.mark.parametrize("command", [*COMMANDS, "medpipe"])
def test_every_command_has_an_example(command: str) -> None:
    assert any(re.search(rf"(^|\| )\b{command} ", line) for line, _ in examples())

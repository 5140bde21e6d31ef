"""medpipe: the list, any command by name, and checkpoints registered, verified and refused."""

from pathlib import Path

import pytest
import torch
from conftest import Run

from medpipe.cli.medpipe import COMMANDS
from medpipe.core.ecg.merl import Merl


@pytest.fixture(scope="session")
def run(executable: Run) -> Run:
    """What is tried here is the executables' own."""
    return executable


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file in the layout of MERL's published encoder."""
    torch.manual_seed(0)
    weights = Merl("merl-vit-tiny", contrastive=False).state_dict()
    torch.save({f"module.{name.split('.', 1)[1]}": value for name, value in weights.items()}, tmp_path / "own.pth")
    return tmp_path / "own.pth"


def test_alone_it_lists_the_commands(run: Run) -> None:
    done = run("medpipe")
    assert done.returncode == 0 and all(name.encode() in done.stdout for name in COMMANDS)


def test_any_command_by_name_is_that_command(run: Run, good_folder: Path) -> None:
    by_name = run("medpipe", "med-cat", "rec/r00000.hea", cwd=good_folder)
    assert by_name.stdout == run("med-cat", "rec/r00000.hea", cwd=good_folder).stdout and by_name.returncode == 0
    assert run("medpipe", "no-such-command").returncode == 2


def test_a_registered_file_is_listed_used_verified_and_removed(
    run: Run, good_folder: Path, tmp_path: Path, checkpoint: Path
) -> None:
    home = {"MEDPIPE_HOME": str(tmp_path / "home")}
    assert run("medpipe", "models", "add", "mine", checkpoint, env=home).returncode == 0
    assert b"mine" in run("medpipe", "models", env=home).stdout
    used = run("ecg-encode", "--model", "mine", "rec/r00000.hea", "--missing", "zero", cwd=good_folder, env=home)
    assert used.returncode == 0 and b'"embedding"' in used.stdout, used.stderr
    assert run("medpipe", "models", "verify", env=home).returncode == 0
    with checkpoint.open("ab") as file:
        file.write(b"x")
    assert run("medpipe", "models", "verify", "mine", env=home).returncode == 1
    assert run("medpipe", "models", "remove", "mine", env=home).returncode == 0
    assert b"mine" not in run("medpipe", "models", env=home).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fetch", "res18_best_ckpt.pth"], 69),
        (["fetch", "nothing"], 65),
        (["verify", "res18_best_ckpt.pth"], 69),
        (["verify", "nothing"], 69),
        (["add", "x", "/no/such/file.pth"], 69),
        (["add", "default", "/etc/hostname"], 65),
        (["remove", "nothing"], 65),
    ],
)
def test_what_is_not_to_be_had_is_one_line(run: Run, tmp_path: Path, arguments: list[str], code: int) -> None:
    done = run("medpipe", "models", *arguments, env={"MEDPIPE_HOME": str(tmp_path)})
    assert done.returncode == code and len(done.stderr.splitlines()) == 1 and not done.stdout

"""What is in the tree is in the wheel: a sub-package that nobody listed would be silently absent."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("cli", "core", "formats")
SHARE = {
    "man": ("*.1", "share/man/man1"),
    "completions/bash": ("*", "share/bash-completion/completions"),
    "completions/zsh": ("*", "share/zsh/site-functions"),
    "completions/fish": ("*", "share/fish/vendor_completions.d"),
}
SIZE_LIMIT = 12 * 10**6


def tree() -> set[str]:
    """Names that the wheel must hold."""
    found = set()
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"medpipe/{path.relative_to(ROOT).as_posix()}")
    for folder, (pattern, target) in SHARE.items():
        found |= {f"{target}/{path.name}" for path in (ROOT / folder).glob(pattern) if path.suffix != ".py"}
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("build")
    root = tmp_path_factory.mktemp("wheel")
    # A copy: building leaves folders behind, and a stale one would hide what is missing.
    ignored = shutil.ignore_patterns(
        ".venv", ".git", "build", "*.egg-info", "__pycache__", ".typecheck", "out", ".*_cache"
    )
    source = shutil.copytree(ROOT, root / "source", ignore=ignored)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", root, source]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(root.glob("*.whl")))


def test_the_wheel_holds_what_the_tree_holds(wheel: zipfile.ZipFile) -> None:
    inside = {name.split(".data/data/", 1)[-1] for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == tree()


def test_every_package_is_typed(wheel: zipfile.ZipFile) -> None:
    folders = {name.rsplit("/", 1)[0] for name in wheel.namelist() if name.endswith(".py")}
    assert {folder for folder in folders if f"{folder}/py.typed" not in wheel.namelist()} == set()


def test_the_checkpoint_is_small_enough_to_ship() -> None:
    files = list((ROOT / "core/ecg/default").iterdir())
    assert files and sum(file.stat().st_size for file in files) <= SIZE_LIMIT

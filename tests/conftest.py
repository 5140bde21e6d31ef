"""What the tests share: commands run as users run them, and folders of recordings good and bad."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from simulated import write_records
from warm import Warm

# Commands are started a thousand times here: their modules are compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Every core has a worker already.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

BIN = Path(sys.executable).parent
Run = Callable[..., subprocess.CompletedProcess[bytes]]
TIMEOUT = 300
WARM = Warm()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: begun last, it would be waited for alone."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture(scope="session")
def executable() -> Run:
    """executable("med-cat", ..., cwd=..., stdin=b""): a finished process with its bytes."""

    def call(
        command: str, *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", env: dict | None = None
    ):
        return subprocess.run(
            [BIN / command, *map(str, arguments)],
            cwd=cwd,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env={**os.environ, **(env or {})},
        )

    return call


@pytest.fixture(scope="session")
def run(executable: Run) -> Run:
    """As `executable`, from a process that has imported much already; `env` is of a start, and starts one."""

    def call(
        command: str, *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", env: dict | None = None
    ):
        if env is not None:
            return executable(command, *arguments, cwd=cwd, stdin=stdin, env=env)
        return WARM.run(BIN / command, [*map(str, arguments)], cwd, stdin, TIMEOUT)

    return call


@pytest.fixture(scope="session")
def good_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve good records, r00000 and on, in the folder rec."""
    root = tmp_path_factory.mktemp("good")
    write_records(root / "rec", 12, seconds=4.0)
    return root


@pytest.fixture(scope="session")
def mixed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records in the folder rec, every third of them bad in a way of its own."""
    root = tmp_path_factory.mktemp("mixed")
    headers = write_records(root / "rec", 24, seconds=2.0)
    spoil = [_cut_short, _without_signal, _empty_header, _binary_header, _pointer, _zero_rate, _no_samples, _all_nan]
    for header, how in zip(headers[1::3], spoil, strict=True):
        how(header)
    return root


def _cut_short(header: Path) -> None:
    signal = header.with_suffix(".dat")
    signal.write_bytes(signal.read_bytes()[:100])


def _without_signal(header: Path) -> None:
    header.with_suffix(".dat").unlink()


def _empty_header(header: Path) -> None:
    header.write_bytes(b"")


def _binary_header(header: Path) -> None:
    header.write_bytes(bytes(range(256)))


def _pointer(header: Path) -> None:
    header.with_suffix(".dat").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def _zero_rate(header: Path) -> None:
    lines = header.read_text().splitlines()
    lines[0] = " ".join([*lines[0].split()[:2], "0", lines[0].split()[3]])
    header.write_text("\n".join(lines) + "\n")


def _no_samples(header: Path) -> None:
    lines = header.read_text().splitlines()
    lines[0] = " ".join([*lines[0].split()[:3], "0"])
    header.write_text("\n".join(lines) + "\n")
    header.with_suffix(".dat").write_bytes(b"")


def _all_nan(header: Path) -> None:
    signal = header.with_suffix(".dat")
    signal.write_bytes(b"\x00\x80" * (signal.stat().st_size // 2))
    first, *rest = header.read_text().splitlines()
    fields = [line.split() for line in rest]
    absent = [" ".join([*one[:5], "-32768", "0", *one[7:]]) for one in fields]
    header.write_text("\n".join([first, *absent]) + "\n")

"""A model trained anew under the same name: what the earlier one has made is neither kept for it nor gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import Run
from simulated import write_records

ASK = ("ecg-zeroshot", "--model", "zz", "-q", "sinus rhythm", "--on-error", "fail")


@pytest.fixture(scope="module")
def trained(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings in rec, and a model of one step on them in zz."""
    root = tmp_path_factory.mktemp("retrained")
    headers = write_records(root / "rec", 6, seconds=10.0, fs=100.0)
    lines = [f"{header.stem},sinus rhythm in number {number}" for number, header in enumerate(headers)]
    (root / "reports.csv").write_text("\n".join(["path,report", *lines]) + "\n")
    given = ["--reports", "reports.csv", "--key", "path", "--text-model", "default", "-j", "0", "--threads", "1"]
    small = ["--set", "arch=merl-vit-tiny", "--set", "validation_share=0.3", "--batch-size", "3", "--max-steps", "1"]
    done = run("ecg-train", "--objective", "merl", *given, *small, "-o", "zz", "rec", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "copy")


def retrain(folder: Path) -> None:
    """Other weights under the same name."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as opened:
            said = opened.metadata()
        save_file({name: value + value for name, value in load_file(path).items()}, path, said)


@pytest.mark.parametrize("command", [("ecg-encode", "--model", "zz"), ASK], ids=lambda command: command[0])
def test_a_complete_output_is_not_taken_for_that_of_another_model(run: Run, copy: Path, command) -> None:
    given = (*command, "rec", "-o", "x.jsonl", "--resume")
    assert run(*given, cwd=copy).returncode == 0
    assert b"complete already" in run(*given, cwd=copy).stderr
    retrain(copy / "zz")
    done = run(*given, cwd=copy)
    assert done.returncode == 2 and b"by another model than zz" in done.stderr


def test_a_stopped_run_does_not_go_on_with_another_model(run: Run, copy: Path) -> None:
    samples = (copy / "rec/r00003.dat").read_bytes()
    (copy / "rec/r00003.dat").write_bytes(b"short")
    assert run(*ASK, "rec", "-o", "x.jsonl", cwd=copy).returncode == 1
    (copy / "rec/r00003.dat").write_bytes(samples)
    weights = {path: path.read_bytes() for path in (copy / "zz").glob("*.safetensors")}
    retrain(copy / "zz")
    done = run(*ASK, "rec", "-o", "x.jsonl", "--resume", cwd=copy)
    assert done.returncode == 2 and b"by another model" in done.stderr
    for path, content in weights.items():
        path.write_bytes(content)
    assert run(*ASK, "rec", "-o", "x.jsonl", "--resume", "-j", "2", cwd=copy).returncode == 0
    assert len((copy / "x.jsonl").read_bytes().splitlines()) == 6

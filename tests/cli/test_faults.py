"""Runs that are killed, stopped, or run out of room: nothing is lost, nothing is there twice."""

import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BIN, Run
from simulated import write_records


@pytest.fixture(scope="session")
def run(executable: Run) -> Run:
    """What is tried here is the executables' own."""
    return executable


WORK = ("--leads", "I,II", "--resample", "125")
SUFFIXES = ("jsonl", "jsonl.gz", "h5")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a list of three thousand inputs, some of them missing."""
    root = tmp_path_factory.mktemp("many")
    headers = write_records(root / "rec", 10, seconds=2.0)
    for copy in range(300):
        folder = root / f"c{copy:03d}"
        folder.mkdir()
        for header in headers[: 10 - copy % 3]:
            for file in (header, header.with_suffix(".dat")):
                os.link(file, folder / file.name)
    names = [f"c{copy:03d}/{header.name}" for copy in range(300) for header in headers]
    (root / "list").write_text("\n".join(names) + "\n")
    return root


def start(many: Path, target: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [BIN / "med-cat", "--files-from", "list", *WORK, "-o", target, "--resume", *options]
    return subprocess.Popen(command, cwd=many, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture(scope="module")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What uninterrupted runs write."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix in SUFFIXES:
        process = start(many, folder / f"x.{suffix}")
        process.communicate()
        assert process.returncode == 1
    return folder


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_killed_many_times_and_resumed_it_writes_the_same_bytes(
    many: Path, whole: Path, tmp_path: Path, suffix: str
) -> None:
    target, rng, kills = tmp_path / f"x.{suffix}", random.Random(suffix), 0
    while kills < 8:
        process = start(many, target, "-j", rng.choice("12"))
        while not target.with_name(f"x.{suffix}.state").exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 1.3))
        process.kill()
        process.communicate()
        kills += 1
    process = start(many, target)
    process.communicate()
    assert process.returncode in (0, 1)  # 0 where the last kill came after the work was done
    assert target.read_bytes() == (whole / f"x.{suffix}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"x.{suffix}"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_state_to_go_on_from(many: Path, whole: Path, tmp_path: Path, number: int, code: int) -> None:
    target = tmp_path / "x.jsonl"
    process = start(many, target)
    while not (tmp_path / "x.jsonl.state").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == code and b"--resume" in said and not target.exists()
    process = start(many, target)
    process.communicate()
    assert process.returncode == 1 and target.read_bytes() == (whole / "x.jsonl").read_bytes()


def test_a_full_disk_says_so_and_keeps_what_was_finished(many: Path, whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.jsonl"
    command = [BIN / "med-cat", "--files-from", "list", *WORK, "-o", target]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # noqa: E731
    done = subprocess.run(command, cwd=many, capture_output=True, check=False, preexec_fn=limit)
    assert done.returncode == 74 and b"Traceback" not in done.stderr and len(done.stderr.splitlines()) < 25
    assert not target.exists()
    process = start(many, target)
    process.communicate()
    assert target.read_bytes() == (whole / "x.jsonl").read_bytes()


@pytest.mark.parametrize("short", [2_000, 100_000, 400_000])
def test_a_disk_that_is_full_only_for_the_hdf5_file(many: Path, whole: Path, tmp_path: Path, short: int) -> None:
    """The part fits, the file that the last pass makes of it does not."""
    target, size = tmp_path / "x.h5", (whole / "x.h5").stat().st_size - short
    command = [BIN / "med-cat", "--files-from", "list", *WORK, "-o", target, "--quiet"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    done = subprocess.run(command, cwd=many, capture_output=True, check=False, preexec_fn=limit)
    assert done.returncode == 74 and len(done.stderr.splitlines()) == 1 and b"--resume" in done.stderr
    assert not target.exists() and not (tmp_path / "x.h5.new").exists()
    process = start(many, target)
    process.communicate()
    assert target.read_bytes() == (whole / "x.h5").read_bytes()


def test_a_full_device_behind_standard_output(run: Run, many: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([BIN / "med-cat", "rec"], cwd=many, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74 and b"No space" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_closed_pipe_is_141_and_silent(many: Path, jobs: str) -> None:
    shell = f"set -o pipefail; {BIN}/med-cat --files-from list -j {jobs} --quiet | head -n 1 >/dev/null; echo $?"
    done = subprocess.run(["bash", "-c", shell], cwd=many, capture_output=True, check=True)
    assert done.stdout.strip() == b"141" and not done.stderr


def test_other_options_than_the_states_are_a_usage_error(many: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.jsonl"
    process = start(many, target)
    while not (tmp_path / "x.jsonl.state").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    process = start(many, target, "--leads", "II")
    _, said = process.communicate()
    assert process.returncode == 2 and b"other options" in said


def test_resuming_what_is_complete_does_nothing(many: Path, whole: Path) -> None:
    before = (whole / "x.jsonl").stat().st_mtime_ns
    process = start(many, whole / "x.jsonl")
    _, said = process.communicate()
    assert process.returncode == 1 and b"complete already, with 300 failed" in said
    assert (whole / "x.jsonl").stat().st_mtime_ns == before


def test_a_second_run_does_not_write_the_same_part(many: Path, tmp_path: Path) -> None:
    first = start(many, tmp_path / "x.jsonl")
    while not (tmp_path / "x.jsonl.state").exists():
        time.sleep(0.01)
    second = start(many, tmp_path / "x.jsonl")
    _, said = second.communicate()
    first.communicate()
    assert second.returncode == 74 and b"another run" in said


def test_a_complete_output_of_other_options_is_not_taken_for_this_run(many: Path, whole: Path) -> None:
    process = start(many, whole / "x.jsonl", "--leads", "II")
    _, said = process.communicate()
    assert process.returncode == 2 and b"other options" in said


@pytest.mark.parametrize("suffix", ["jsonl", "h5"])
def test_a_complete_output_of_other_inputs_is_not_taken_for_this_run(run: Run, many: Path, tmp_path: Path, suffix):
    target = tmp_path / f"x.{suffix}"
    given = [f"c000/r{n:05d}.hea" for n in range(6)]
    options = ["--segment", "0.5", "-o", target, "--resume"]
    assert run("med-cat", *given[:5], *options, cwd=many).returncode == 0
    assert b"complete already" in run("med-cat", *given[:5], *options, cwd=many).stderr
    for others, how in ((given, b"fewer inputs"), (given[:4], b"other inputs"), (given[1:], b"other inputs")):
        done = run("med-cat", *others, *options, cwd=many)
        assert done.returncode == 2 and how in done.stderr
    headed = run("med-cat", *given, *options, "--head", "20", cwd=many)
    assert headed.returncode == 0 and b"complete already" in headed.stderr

"""A file of many frames in a slow command: it stops after the frame in hand, and goes on with the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

# Each frame takes longer than pieces are gathered; the second fails; at the fourth the run is told to stop.
SLOW = """
import os, signal, sys, time
from medpipe.cli.command import execute, record_command
from medpipe.cli.options import RunOptions
from medpipe.cli.runner import Job, run_job
from medpipe.core.errors import InputError
from medpipe.formats.registry import ReadOptions

def transform(records):
    for record in records:
        print("began", record["id"], file=sys.stderr)
        time.sleep(0.11)
        number = int(record["id"].split("#")[1])
        if number == 3 and "STOP" in os.environ:
            os.kill(os.getpid() if os.environ["STOP"] == "1" else os.getppid(), signal.SIGTERM)
        record.pop("image")
        yield InputError("bad-image", "no") if number == 1 else [record]

def slow(run: RunOptions) -> int:
    return run_job(Job("slow", run, lambda: (transform, ""), {}, read=ReadOptions()))

execute(record_command("slow", slow), "slow")
"""


@pytest.fixture
def slow(tmp_path: Path):
    (tmp_path / "slow.py").write_text(SLOW)
    frames = get_testdata_file("rtdose.dcm")

    def call(*options: str, stop: str | None = None) -> subprocess.CompletedProcess[bytes]:
        env = os.environ | ({"STOP": stop} if stop else {})
        command = [sys.executable, tmp_path / "slow.py", frames, "-o", tmp_path / "x.jsonl", *options]
        return subprocess.run(command, capture_output=True, check=False, env=env)

    return call


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_stop_waits_for_the_frame_in_hand_and_resume_begins_with_the_next(slow, tmp_path: Path, jobs: str) -> None:
    done = slow("-j", jobs, stop=jobs)
    state = json.loads((tmp_path / "x.jsonl.state").read_bytes())
    assert done.returncode == 143 and state["done"] == 0
    assert state["within"] == state["records"] == len((tmp_path / "x.jsonl.part").read_bytes().splitlines())
    # Workers are heard of later.
    assert state["within"] == 4 if jobs == "1" else 1 <= state["within"] <= 4
    assert state["failure"] == ("bad-image" if state["within"] > 1 else "")
    again = slow("-j", jobs, "--resume")
    begun = [line for line in again.stderr.decode().splitlines() if line.startswith("began")]
    assert begun[0].endswith(f"#{state['within']}") and len(begun) == 15 - state["within"]
    made = [json.loads(line) for line in (tmp_path / "x.jsonl").read_bytes().splitlines()]
    assert [one["id"].split("#")[1] for one in made] == [str(number) for number in range(15)]
    assert [number for number, one in enumerate(made) if "error" in one] == [1]
    assert again.returncode == 1 and b"1 of 1 input failed (bad-image 1)" in again.stderr


def test_on_error_fail_stops_at_the_frame_that_fails(slow, tmp_path: Path) -> None:
    done = slow("--on-error", "fail")
    assert done.returncode == 1 and done.stderr.count(b"began") == 2 and b"#1: no" in done.stderr
    assert json.loads((tmp_path / "x.jsonl.state").read_bytes())["within"] == 1

"""Streams and outputs that are odd or damaged: one record fails, the others come through, nothing leaks."""

import gzip
import json
import os
import subprocess
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import zstandard
from conftest import BIN, Run
from simulated import write_records


@pytest.fixture(scope="module")
def stream(run: Run, good_folder: Path) -> bytes:
    """The twelve good records as lines."""
    return run("med-cat", "rec", cwd=good_folder).stdout


def outcomes(output: bytes) -> list[tuple[str, str | None]]:
    records = [json.loads(line) for line in output.splitlines()]
    return [(record["id"], (record.get("error") or {}).get("type")) for record in records]


def test_a_line_written_on_after_a_crash_loses_nothing(run: Run, stream: bytes) -> None:
    done = run("med-cat", stdin=stream[:500] + b"\n" + stream)
    assert outcomes(done.stdout)[:2] == [("stdin:1", "bad-json"), ("rec/r00000", None)]
    assert len(done.stdout.splitlines()) == 13 and done.returncode == 1
    done = run("med-cat", stdin=stream[100:])
    assert outcomes(done.stdout)[:2] == [("stdin:1", "bad-json"), ("rec/r00001", None)]


@pytest.mark.parametrize("via", ["null", "3", '"abc"'])
def test_a_via_that_is_no_list_fails_its_record_alone(run: Run, stream: bytes, via: str) -> None:
    done = run("med-cat", stdin=f'{{"id":"x","via":{via}}}\n'.encode() + stream)
    assert outcomes(done.stdout)[0] == ("x", "bad-value") and len(done.stdout.splitlines()) == 13


def test_an_error_that_is_null_is_none(run: Run, stream: bytes) -> None:
    line = {**json.loads(stream.splitlines()[0]), "error": None}
    done = run("ecg-encode", stdin=json.dumps(line).encode())
    assert done.returncode == 0 and b'"embedding"' in done.stdout and b'"error"' not in done.stdout


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, "gz"), (zstandard.ZstdCompressor().compress, "zst")])
def test_of_a_compressed_stream_that_is_cut_the_whole_records_come_through(
    run: Run, stream: bytes, tmp_path: Path, pack, suffix: str
) -> None:
    packed = pack(stream)
    (tmp_path / f"cut.jsonl.{suffix}").write_bytes(packed[: len(packed) // 2])
    done = run("med-cat", f"cut.jsonl.{suffix}", cwd=tmp_path)
    found = outcomes(done.stdout)
    assert done.returncode == 1 and len(found) > 3 and found[-1][1] == "truncated"
    assert all(kind is None for _, kind in found[:-2])


def test_damaged_hdf5_never_ends_the_run(run: Run, good_folder: Path, tmp_path: Path) -> None:
    run("med-cat", "rec", "--leads", "I", "--to", "0.5", "-o", tmp_path / "all.h5", cwd=good_folder)
    whole, rng = (tmp_path / "all.h5").read_bytes(), np.random.default_rng(0)
    names = []
    for number in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 12):
            damaged[place] ^= int(rng.integers(1, 256))
        names.append(f"bad{number}.h5")
        (tmp_path / names[-1]).write_bytes(damaged)
    done = run("med-cat", *names, "--check", cwd=tmp_path)
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"internal" not in done.stderr


def test_hdf5_of_another_layout(run: Run, tmp_path: Path) -> None:
    for name, version, ident in (("a", "one", [b"x"]), ("b", [1, 1], [b"x"]), ("c", 1, [3])):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.attrs["medpipe_format"] = version
            file["id"], file["record"] = ident, [b"{}"]
    done = run("med-cat", "a.h5", "b.h5", "c.h5", cwd=tmp_path)
    assert [kind for _, kind in outcomes(done.stdout)] == ["bad-hdf5"] * 3 and b"Traceback" not in done.stderr
    assert run("med-cat", stdin=(tmp_path / "a.h5").read_bytes()).returncode == 65


def test_hdf5_on_standard_input_gives_the_same_bytes_each_time(run: Run, good_folder: Path, tmp_path: Path) -> None:
    run("med-cat", "rec", "--leads", "I", "-o", tmp_path / "all.h5", cwd=good_folder)
    with h5py.File(tmp_path / "all.h5", "a") as file:
        file["id"][1] = file["id"][0]
    outputs = {run("med-cat", stdin=(tmp_path / "all.h5").read_bytes()).stdout for _ in range(2)}
    assert len(outputs) == 1 and b"medpipe-" not in outputs.pop()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_names_that_are_not_utf8(run: Run, tmp_path: Path, jobs: str) -> None:
    header = write_records(tmp_path, 1, seconds=2.0)[0]
    odd = os.fsencode(tmp_path) + b"/caf\xe9.hea"
    os.link(header, odd)
    done = run("med-cat", os.fsdecode(odd), "-j", jobs)
    assert done.returncode == 0 and b"caf\\\\xe9" in done.stdout
    done = run("med-cat", "--files-from", "-", "-j", jobs, cwd=tmp_path, stdin=b"no\xff.hea\nr00000.hea\n")
    assert [kind for _, kind in outcomes(done.stdout)] == ["missing-file", None]


def test_hashed_ids_hide_the_names_of_streams_and_of_signal_files(run: Run, stream: bytes, tmp_path: Path) -> None:
    (tmp_path / "john_doe").mkdir()
    (tmp_path / "john_doe/torn.jsonl").write_bytes(stream[:500] + b"\n" + b'{"fs":1}\n')
    header = write_records(tmp_path, 1, seconds=2.0)[0]
    header.write_text(header.read_text().replace("r00000.dat", "DOE_JOHN_1950.dat"))
    done = run("med-cat", "--id", "hash", "--no-source", "john_doe/torn.jsonl", "r00000.hea", cwd=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 3
    assert not any(name in said.lower() for name in (b"doe", b"torn", b"r00000"))
    assert b"the signal file FILE is missing" in said


def test_a_pipe_is_written_to_and_a_link_followed(run: Run, good_folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    assert run("med-cat", "rec", "-o", tmp_path / "pipe", cwd=good_folder).returncode == 0
    reader.join(timeout=30)
    assert len(found[0].splitlines()) == 12 and (tmp_path / "pipe").is_fifo()
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    run("med-cat", "rec", "-o", tmp_path / "link.jsonl", cwd=good_folder)
    assert (tmp_path / "link.jsonl").is_symlink() and len((tmp_path / "real.jsonl").read_bytes().splitlines()) == 12
    assert run("med-cat", "rec", "-o", tmp_path / "pipe", "--resume", cwd=good_folder).returncode == 2


@pytest.mark.parametrize("command", [["med-cat", "rec"], ["ecg-encode", "rec"], ["medpipe"], ["med-view", "--help"]])
def test_standard_output_that_is_full_or_closed(good_folder: Path, command: list[str]) -> None:
    shell = f"{BIN}/{' '.join(command)}"
    for redirect in (">/dev/full", ">&-") if command[0] in ("med-cat", "ecg-encode") else (">/dev/full",):
        done = subprocess.run(["bash", "-c", f"{shell} {redirect}"], cwd=good_folder, capture_output=True, check=False)
        assert done.returncode == 74 and len(done.stderr.splitlines()) == 1
    done = subprocess.run(["bash", "-c", f"{shell} 2>&-"], cwd=good_folder, capture_output=True, check=True)
    assert done.stdout


def test_references_hold_after_interleaving_into_another_folder(run: Run, good_folder: Path, tmp_path: Path) -> None:
    for shard in (0, 1):
        names = ("--refs", tmp_path / f"in/{shard}.h5", "-o", tmp_path / f"in/{shard}.jsonl")
        run("med-cat", "rec", "--shard", f"{shard}/2", *names, cwd=good_folder)
    shards = sorted((tmp_path / "in").glob("*.jsonl"))
    run("med-cat", "--interleave", *shards, "-o", tmp_path / "out/all.jsonl")
    assert run("med-cat", "--check", tmp_path / "out/all.jsonl").returncode == 0
    done = run("med-cat", "--interleave", shards[1])
    assert b"in none of these shards" in done.stderr and len(done.stdout.splitlines()) == 6


def test_a_recording_without_one_sample_is_counted(run: Run, mixed_folder: Path) -> None:
    assert b"all-nan 1" in run("med-cat", "--check", "rec", cwd=mixed_folder).stderr


def test_folders_and_their_lists(run: Run, good_folder: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "a/p0", 2, seconds=2.0)
    (tmp_path / "a/p0/x y.csv").write_text("time,I\n" + "".join(f"{k / 100},{k % 7}\n" for k in range(300)))
    (tmp_path / "a/RECORDS").write_text("p0/\n")
    assert [ident for ident, _ in outcomes(run("med-cat", "a", cwd=tmp_path).stdout)] == [
        "a/p0/r00000", "a/p0/r00001", "a/p0/x y",
    ]  # fmt: skip
    (tmp_path / "a/RECORDS").write_text("p0/r00001\np0/x y.csv\n../p0/r00000\n")
    assert len(run("med-cat", "a", cwd=tmp_path).stdout.splitlines()) == 2
    (tmp_path / "empty").mkdir()
    done = run("med-cat", "empty", cwd=tmp_path)
    assert done.returncode == 66 and b"no recording" in done.stderr


def test_a_record_without_the_key_of_its_name_is_an_error(run: Run) -> None:
    done = run("med-cat", "--id", "key:pid", stdin=b'{"id":"c"}\n{"id":"d","pid":7}\n')
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1 and first["error"]["type"] == "no-id" and second["id"] == "7"


def test_a_reference_that_leads_nowhere_names_its_file(run: Run, good_folder: Path, tmp_path: Path) -> None:
    run("med-cat", "rec/r00000.hea", "--refs", tmp_path / "gone.h5", "-o", tmp_path / "x.jsonl", cwd=good_folder)
    (tmp_path / "gone.h5").unlink()
    done = run("ecg-encode", tmp_path / "x.jsonl")
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "missing-file" and "gone.h5" in error["message"]


def test_a_time_that_ends_before_it_begins_is_a_usage_error(run: Run, good_folder: Path) -> None:
    assert run("med-cat", "--from", "5", "--to", "3", "rec", cwd=good_folder).returncode == 2

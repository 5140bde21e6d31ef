"""What every record-to-record command keeps."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import BIN, Run

from medpipe.cli.medpipe import COMMANDS


@pytest.fixture(scope="session")
def run(executable: Run) -> Run:
    """What is tried here is the executables' own."""
    return executable


ROOT = Path(__file__).parents[2]
RECORD_COMMANDS = {
    "med-cat": [],
    "ecg-encode": [],
    "ecg-zeroshot": ["-q", "atrial fibrillation"],
}
EVERY = [*COMMANDS, "medpipe"]
each = pytest.mark.parametrize("command", RECORD_COMMANDS)


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_every_executable_is_listed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == set(EVERY)


@pytest.mark.parametrize("command", EVERY)
def test_help_imports_the_standard_library_and_typer_alone(command: str) -> None:
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        f"sys.argv[0] = {command!r}\n"
        f"import importlib; module = importlib.import_module('medpipe.cli.{command.replace('-', '_')}')\n"
        "try: module.run()\nexcept SystemExit: pass\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(tops - set(sys.stdlib_module_names)), file=sys.stderr)"
    )
    done = subprocess.run([BIN / "python", "-c", code], capture_output=True, check=True)
    loaded = set(eval_list(done.stderr.decode().splitlines()[-1]))
    heavy = {name for name in loaded if not name.startswith("_")} - ALLOWED
    assert not heavy


ALLOWED = {
    "typer",
    "medpipe",
    "annotated_doc",
    "shellingham",
    "typing_extensions",
    "sitecustomize",
    "distutils-precedence",
}


def eval_list(text: str) -> list[str]:
    return [name.strip().strip("'") for name in text.strip("[]").split(",") if name.strip()]


@pytest.mark.parametrize("command", EVERY)
def test_version_and_help_end_well(run: Run, command: str) -> None:
    for option in ("--version", "--help", "-h"):
        done = run(command, option)
        assert done.returncode == 0 and done.stdout and not done.stderr


@each
def test_bad_inputs_become_error_records_and_the_batch_goes_on(run: Run, mixed_folder: Path, command: str) -> None:
    done = run(command, *RECORD_COMMANDS[command], "rec", cwd=mixed_folder)
    made = records(done.stdout)
    failed = [record["id"] for record in made if "error" in record]
    expected = [f"rec/r{n:05d}" for n in range(1, 24, 3)]
    if command == "med-cat":
        # A recording that is NaN throughout is a recording all the same.
        expected.remove("rec/r00022")
    assert done.returncode == 1 and failed == expected
    assert [record["id"] for record in made] == [f"rec/r{n:05d}" for n in range(24)]
    for record in made:
        if "error" in record:
            assert set(record["error"]) == {"command", "type", "message"} and record["error"]["message"]
    assert b"Traceback" not in done.stderr and b"inputs failed" in done.stderr


@each
def test_error_records_pass_through_unchanged(run: Run, good_folder: Path, command: str) -> None:
    line = b'{"id":"x","source":{"path":"x"},"error":{"command":"a","type":"b","message":"c"}}\n'
    done = run(command, *RECORD_COMMANDS[command], stdin=line)
    assert done.returncode == 0 and done.stdout == line
    skipped = run(command, *RECORD_COMMANDS[command], "--on-error", "skip", stdin=line)
    assert skipped.returncode == 0 and skipped.stdout == b""


@each
def test_a_torn_line_and_a_repeated_id_are_error_records(run: Run, good_folder: Path, command: str) -> None:
    stream = run("med-cat", "rec/r00000.hea", cwd=good_folder).stdout
    done = run(command, *RECORD_COMMANDS[command], stdin=stream + stream + stream[:500])
    made = records(done.stdout)
    assert [record["id"] for record in made] == ["rec/r00000", "rec/r00000~2", "stdin:3"] or [
        record["id"] for record in made
    ] == ["rec/r00000", "rec/r00000~2", "rec/r00000~3"]
    assert [record.get("error", {}).get("type") for record in made][:2] == [None, "duplicate-id"]
    assert "error" in made[2] and done.returncode == 1


@each
def test_workers_do_not_change_a_byte(run: Run, mixed_folder: Path, command: str) -> None:
    outputs = [run(command, *RECORD_COMMANDS[command], "rec", "-j", jobs, cwd=mixed_folder).stdout for jobs in (1, 2)]
    assert outputs[0] == outputs[1] and outputs[0]


@each
@pytest.mark.parametrize("suffix", ["jsonl", "h5", "jsonl.gz"])
def test_shards_put_back_in_order_are_one_run(
    run: Run, mixed_folder: Path, tmp_path: Path, command: str, suffix: str
) -> None:
    options = RECORD_COMMANDS[command]
    run(command, *options, "rec", "-o", tmp_path / f"whole.{suffix}", cwd=mixed_folder)
    for shard in range(3):
        target = tmp_path / f"part{shard}.{suffix}"
        run(command, *options, "rec", "--shard", f"{shard}/3", "-o", target, cwd=mixed_folder)
    done = run("med-cat", "--interleave", *sorted(tmp_path.glob("part*")), "-o", tmp_path / f"merged.{suffix}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"merged.{suffix}").read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()


def test_shards_that_do_not_belong_together_are_refused(run: Run, good_folder: Path, tmp_path: Path) -> None:
    for shard, leads in ((0, "I"), (1, "I"), (2, "II")):
        run("med-cat", "rec", "--shard", f"{shard}/3", "--leads", leads, "-o", tmp_path / f"{shard}", cwd=good_folder)
    mixed = run("med-cat", "--interleave", tmp_path / "0", tmp_path / "1", tmp_path / "2", "-o", tmp_path / "all")
    assert mixed.returncode == 65 and b"different runs" in mixed.stderr and not (tmp_path / "all").exists()
    short = run("med-cat", "--interleave", tmp_path / "0", tmp_path / "1")
    assert short.returncode == 1 and b"3 inputs are in none" in short.stderr and len(short.stdout.splitlines()) == 8


def test_names_that_promise_another_format_are_refused(run: Run, good_folder: Path, tmp_path: Path) -> None:
    for name in ("x.npy", "x.csv", "x.PNG", "x.nii.gz", "x.csv.zst"):
        assert run("med-cat", "rec", "-o", tmp_path / name, cwd=good_folder).returncode == 2
    done = run("med-cat", "rec", "--id", "key:patient", cwd=good_folder)
    assert done.returncode == 2 and b"no record stream" in done.stderr and not done.stdout


@each
def test_usage_errors_are_two_and_say_why(run: Run, good_folder: Path, command: str) -> None:
    for options in (["--nonsense"], ["--shard", "3/3"], ["--id", "nose"], ["--resume"], ["-0"]):
        done = run(command, *RECORD_COMMANDS[command], *options, "rec", cwd=good_folder)
        assert done.returncode == 2 and done.stderr and b"Traceback" not in done.stderr


@each
def test_a_stream_or_list_that_is_not_there(run: Run, good_folder: Path, command: str) -> None:
    options = RECORD_COMMANDS[command]
    assert run(command, *options, stdin=b"\x00\x01garbage\n").returncode == 65
    assert run(command, *options, "--files-from", "no-such-list").returncode == 66
    missing = run(command, *options, "no-such-file.hea")
    assert missing.returncode == 1 and records(missing.stdout)[0]["error"]["type"] == "missing-file"


@each
def test_on_error_fail_stops_at_the_first(run: Run, mixed_folder: Path, command: str) -> None:
    done = run(command, *RECORD_COMMANDS[command], "rec", "--on-error", "fail", cwd=mixed_folder)
    assert done.returncode == 1 and [record["id"] for record in records(done.stdout)] == ["rec/r00000"]


@each
def test_hashed_ids_hide_every_name(run: Run, mixed_folder: Path, command: str) -> None:
    options = [*RECORD_COMMANDS[command], "rec", "--id", "hash", "--no-source"]
    done = run(command, *options, cwd=mixed_folder)
    assert len(records(done.stdout)) == 24 and b"r000" not in done.stdout + done.stderr


@each
def test_lists_of_files_and_compressed_streams(run: Run, good_folder: Path, tmp_path: Path, command: str) -> None:
    listing = "\0".join(f"rec/r{n:05d}.hea" for n in range(3)).encode()
    done = run(command, *RECORD_COMMANDS[command], "--files-from", "-", "-0", cwd=good_folder, stdin=listing)
    assert [record["id"] for record in records(done.stdout)] == ["rec/r00000", "rec/r00001", "rec/r00002"]
    for suffix in ("jsonl.gz", "jsonl.zst", "h5"):
        run("med-cat", "rec", "-o", tmp_path / f"all.{suffix}", cwd=good_folder)
        packed = (tmp_path / f"all.{suffix}").read_bytes()
        assert len(records(run(command, *RECORD_COMMANDS[command], stdin=packed).stdout)) == 12


@each
def test_no_patient_identifier_from_a_header_enters_a_record(run: Run, tmp_path: Path, command: str) -> None:
    from simulated import write_records

    header = write_records(tmp_path, 1, seconds=2.0)[0]
    header.write_text(header.read_text() + "#Name: Erika Mustermann\n#<age>: 64 <sex>: F <diagnoses> secret\n")
    done = run(command, *RECORD_COMMANDS[command], header.name, cwd=tmp_path)
    assert done.returncode == 0
    assert b"Mustermann" not in done.stdout + done.stderr and b"secret" not in done.stdout + done.stderr

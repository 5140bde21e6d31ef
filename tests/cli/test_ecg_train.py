"""ecg-train from the command line: data met by name, split by patient, trained, stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import BIN, Run
from simulated import write_records

WORDS = ("sinus rhythm", "left bundle branch block", "atrial fibrillation", "left axis deviation")
# The real classes, small: pieces of half a second, a narrow decoder.
SMALL = ("--set", "patch=250", "--set", "decoder_width=16", "--set", "decoder_layers=1", "--set", "decoder_hidden=16",
         "--set", "validation_share=0.3", "--text-model", "default", "--batch-size", "3", "--seed", "1", "-j", "0",
         "--threads", "1")  # fmt: skip


@pytest.fixture(scope="module")
def data(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen recordings of seven patients in rec, their reports and targets; one recording is damaged."""
    root = tmp_path_factory.mktemp("train")
    headers = write_records(root / "rec", 14, seconds=10.0, fs=100.0)
    lines = ["path,patient,report"]
    for number, header in enumerate(headers):
        words = ". ".join(WORDS[: 1 + number % 4])
        lines.append(f"old/place/{header.stem},p{number // 2},{words} here in number {number}")
    (root / "reports.csv").write_text("\n".join(lines) + "\n")
    for step in (
        ("extract", "--id", "key:path", "reports.csv", "-o", "e.jsonl"),
        ("vocabulary", "e.jsonl", "--min-count", "1", "-o", "v.json"),
        ("targets", "e.jsonl", "--vocabulary", "v.json", "-o", "t.h5"),
    ):
        assert run("ecg-entities", *step, cwd=root).returncode == 0
    (root / "rec/r00003.dat").write_bytes(b"short")
    return root


def command(objective: str, folder: Path, *options: str) -> list[str | Path]:
    given = ["--reports", "reports.csv", "--key", "path", "--by", "patient", "--targets", "t.h5"]
    return ["--objective", objective, *given, *SMALL, "-o", folder, *options, "rec"]


def curve(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in lines]


def test_a_training_fills_its_folder_and_its_model_is_used(run: Run, data: Path, tmp_path: Path) -> None:
    options = ("--max-steps", "4", "--validate-every", "2")
    done = run("ecg-train", *command("kmerl", tmp_path / "k", *options), "nowhere.hea", cwd=data)
    assert done.returncode == 1, done.stderr
    assert b"nowhere.hea was not used: no such file" in done.stderr
    assert [line["step"] for line in curve(tmp_path / "k") if line["split"] == "val"] == [2, 4]
    assert {"best.safetensors", "last.safetensors", "model.json", "metrics.jsonl", "curves.png"} <= {
        path.name for path in (tmp_path / "k").iterdir()
    }
    facts = json.loads((tmp_path / "k/model.json").read_text())
    assert facts["data"]["recordings"] + facts["data"]["validation"] == 14 and len(facts["entities"]) == 4
    assert b"split by recording" not in done.stderr
    encoded = run("ecg-encode", "--model", tmp_path / "k", "--leads", "I,II", "rec/r00000.hea", cwd=data)
    assert json.loads(encoded.stdout)["embedding"]["shape"] == [192]


def test_the_decoder_scores_one_query_as_it_scores_many(run: Run, data: Path, tmp_path: Path) -> None:
    options = ("--preset", "supreme-own", "--max-steps", "2")
    run("ecg-train", *command("supreme", tmp_path / "s", *options), cwd=data)
    ask = ("ecg-zeroshot", "--model", tmp_path / "s", "rec/r00001.hea")
    many = json.loads(run(*ask, *(f"-q{word}" for word in WORDS), "--attn", cwd=data).stdout)
    alone = json.loads(run(*ask, "-q", WORDS[2], cwd=data).stdout)
    assert alone["scores"][WORDS[2]] == pytest.approx(many["scores"][WORDS[2]], abs=2e-6)
    assert many["attention"]["shape"] == [4, 12, 20] and many["attention_layout"]["seconds"] == 10
    assert many["score_kind"] == "probability" and "depends_on_queries" not in many["scorer"]
    embedded = run("ecg-encode", "--model", tmp_path / "s", "rec/r00001.hea", cwd=data).stdout
    refused = json.loads(run("ecg-zeroshot", "-q", "x", stdin=embedded, cwd=data).stdout)
    assert refused["error"]["type"] == "no-tokens"
    tokens = run("ecg-encode", "--tokens", "--model", tmp_path / "s", "rec/r00001.hea", cwd=data).stdout
    again = json.loads(run("ecg-zeroshot", "-q", WORDS[2], stdin=tokens, cwd=data).stdout)
    assert again["scores"] == alone["scores"]


CUT = ("--preset", "supreme-own", "--max-steps", "10", "--checkpoint-every", "2", "--quiet")


@pytest.fixture(scope="module")
def whole(run: Run, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted training leaves."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run("ecg-train", *command("supreme", folder, *CUT), cwd=data)
    return folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_training_goes_on_to_the_same_curve(
    run: Run, data: Path, whole: Path, tmp_path: Path, number: int
) -> None:
    cut = command("supreme", tmp_path / "cut", *CUT)
    process = subprocess.Popen([BIN / "ecg-train", *cut], cwd=data, stderr=subprocess.PIPE)
    while not (tmp_path / "cut/state.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    assert process.returncode in {signal.SIGKILL: (-9,), signal.SIGTERM: (143, 1), signal.SIGUSR1: (75, 1)}[number]
    done = run("ecg-train", *cut, "--resume", cwd=data)
    # 1 where the damaged recording was drawn in what was left to do.
    assert done.returncode in (0, 1), done.stderr
    assert curve(tmp_path / "cut") == curve(whole)
    assert (tmp_path / "cut/last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()


def test_another_way_with_missing_leads_is_another_run(run: Run, data: Path, whole: Path) -> None:
    done = run("ecg-train", *command("supreme", whole, *CUT), "--resume", "--missing", "zero", cwd=data)
    assert done.returncode == 65 and b'data.missing "error", now "zero"' in done.stderr


@pytest.mark.slow
def test_two_processes_train_together(data: Path, tmp_path: Path) -> None:
    launch = [BIN / "torchrun", "--nproc-per-node", "2", "--master-port", "29631", "--no-python", BIN / "ecg-train"]
    done = subprocess.run(
        [*launch, *command("kmerl", tmp_path / "two", "--max-steps", "2", "--batch-size", "2")], cwd=data,
        capture_output=True, check=False, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line["split"] for line in curve(tmp_path / "two")] == ["train", "val"]
    assert json.loads((tmp_path / "two/model.json").read_text())["result"]["processes"] == 2


def test_no_patient_is_on_both_sides(data: Path) -> None:
    from medpipe.cli.training_index import TableOptions, build_index, list_recordings, split_validation

    table = TableOptions(str(data / "reports.csv"), "path", ["report"], "patient", 1)
    index = build_index(list_recordings([str(data / "rec")], None)[0], table, str(data / "t.h5"), texts=True)
    train, held = split_validation(index, 0.3, 1)
    assert held is not None and set(train.groups).isdisjoint(held.groups)
    assert len(train.items) + len(held.items) == 14 and index.targets is not None and index.targets.shape == (14, 4)


def test_hdf5_rows_train_as_files_do(run: Run, data: Path, tmp_path: Path) -> None:
    good = [str(path) for path in sorted((data / "rec").glob("*.hea")) if path.stem != "r00003"]
    run("med-cat", *good, "-o", tmp_path / "all.h5")
    options = ("--preset", "supreme-own", "--max-steps", "3", "--quiet")
    by_files, by_rows = (
        command("supreme", tmp_path / "f", *options)[:-1],
        command("supreme", tmp_path / "r", *options)[:-1],
    )
    for given, inputs in ((by_files, good), (by_rows, [tmp_path / "all.h5"])):
        assert run("ecg-train", *given, *inputs, cwd=data).returncode == 0
    losses = [[line["loss"] for line in curve(tmp_path / name)] for name in ("f", "r")]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_patients_alone_are_enough_where_no_report_is_read(data: Path, tmp_path: Path) -> None:
    from medpipe.cli.training_index import TableOptions, build_index, list_recordings

    rows = [{"id": "r00000", "p": "a"}, {"id": "r00001", "p": None}, {"id": "r00002", "p": None},
            {"id": "r00003", "error": {"type": "damaged"}}]  # fmt: skip
    path = tmp_path / "patients.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = TableOptions(str(path), "id", ["report"], "p", 4)
    index = build_index(list_recordings([str(data / "rec")], None)[0], table, None, texts=False)
    assert index.groups == ["a", *(f"r{number:05}" for number in range(1, 14))]


@pytest.mark.parametrize(
    ("line", "code"), [('{"id":"r00000"}', 65), ('{"id":"r00000","report":["x"]}', 65), (None, 66)]
)
def test_reports_that_cannot_be_used_are_refused(data: Path, tmp_path: Path, line: str | None, code: int) -> None:
    from medpipe.cli.exits import Fatal
    from medpipe.cli.training_index import TableOptions, build_index, list_recordings

    path = tmp_path / "reports.jsonl"
    if line is not None:
        path.write_text(line + "\n")
    table = TableOptions(str(path), "id", ["report"], None, 4)
    with pytest.raises(Fatal, match="reports") as caught:
        build_index(list_recordings([str(data / "rec")], None)[0], table, None, texts=True)
    assert caught.value.code == code


def test_a_run_is_the_same_wherever_its_recordings_lie(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medpipe.cli.training_index import build_index, list_recordings

    monkeypatch.chdir(data)
    typed, whole = (
        build_index(list_recordings([path], None)[0], None, None, texts=False) for path in ("rec", f"{data}/rec")
    )
    assert typed.digest() == whole.digest()


@pytest.mark.parametrize("numbers", [(2, 3, 4), (3,)])
def test_validation_goes_without_what_cannot_be_used(data: Path, numbers: tuple[int, ...]) -> None:
    from medpipe.cli.exits import Fatal
    from medpipe.cli.training_index import build_index, list_recordings
    from medpipe.cli.training_source import RecordingBatches
    from medpipe.core.ecg.presets import PRESETS

    files = [str(data / f"rec/r0000{number}.hea") for number in numbers]
    index = build_index(list_recordings(files, None)[0], None, None, texts=False)
    source = RecordingBatches(index, PRESETS["merl"], None, 2, 1, 0, shuffled=False)
    if len(numbers) > 1:
        assert [len(batch) for batch in source.batches(0, 0, 1)] == [1, 1] and source.replaced == 0
    else:
        with pytest.raises(Fatal, match="r00003"):
            list(source.batches(0, 0, 1))
    assert [Path(ident).name for ident in source.failed] == ["r00003"]


def test_what_cannot_be_trained_is_one_clear_line(run: Run, data: Path, tmp_path: Path) -> None:
    base = ["--objective", "kmerl", *SMALL, "-o", tmp_path / "x", "rec"]
    (tmp_path / "stream.jsonl").write_text('{"id":"a"}\n')
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    cases = [
        (base, 2), (command("kmerl", tmp_path / "x", "--set", "nonsense=1"), 2),
        (command("kmerl", tmp_path / "x", "--key", "patient_id"), 65),
        (command("kmerl", tmp_path / "x", "--targets", str(tmp_path / "other.h5")), 65),
        (command("kmerl", tmp_path / "x", "--batch-size", "50"), 2),
        (command("kmerl", tmp_path / "x", "--batch-size", "1"), 2),
        ([*command("kmerl", tmp_path / "x")[:-1], tmp_path / "stream.jsonl"], 2),
        ([*command("kmerl", tmp_path / "x")[:-1], tmp_path / "nothing"], 66),
        (command("kmerl", tmp_path / "stream.jsonl"), 74),
    ]  # fmt: skip
    settings = ("decoder_width=17", "patch=7", "pieces_share=1")
    cases += [(command("kmerl", tmp_path / "x", "--set", setting), 2) for setting in settings]
    cases.append((command("supreme", tmp_path / "x", "--set", "lead_masking=on"), 2))
    for options, code in cases:
        done = run("ecg-train", *options, cwd=data)
        assert done.returncode == code, (options, done.stderr)
        assert b"Traceback" not in done.stderr and done.stderr.strip() and b"there is room" not in done.stderr

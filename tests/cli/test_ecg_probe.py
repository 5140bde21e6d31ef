"""ecg-probe: simulated recordings end to end, its baselines always there, test labels that only judge."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import BIN, TIMEOUT, WARM
from simulated import STANDARD_12, ecg, write_wfdb

pytest.importorskip("sklearn")
COUNT = 48
FAST = ("--draws", "0", "--seeds", "2", "--fractions", "0.25,1")
Probe = Callable[..., subprocess.CompletedProcess[bytes]]


def probe(
    *arguments: str | Path, cwd: Path, before: str = "", stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    given = [*map(str, arguments)]
    if not before:
        return WARM.run(BIN / "ecg-probe", given, cwd, stdin, TIMEOUT)
    code = f"{before}\nfrom medpipe.cli.ecg_probe import run\nrun()"
    command = [sys.executable, "-c", code, *given]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=TIMEOUT, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 records of 24 patients; every other patient's heart is fast. `f.jsonl` holds their features."""
    root = tmp_path_factory.mktemp("probe")
    (root / "rec").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for k in range(COUNT):
        patient = k // 2
        fast = patient % 2
        signal = ecg(k, seconds=10.0, fs=100.0, rate=120.0 if fast else 60.0)
        write_wfdb(root / "rec", f"r{k:03d}", signal, 100.0, list(STANDARD_12), ["mV"] * 12)
        fold = patient // 3 + 1
        rows.append([f"r{k:03d}", f"p{patient}", fold, fast, int(rng.random() < 0.5), 0])
    write(root / "truth.csv", [["id", "patient", "fold", "fast", "coin", "never"], *rows])
    return root


def write(path: Path, rows: list[list]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def table(folder: Path) -> list[list[str]]:
    return list(csv.reader((folder / "truth.csv").open()))


def common(truth: Path | str = "truth.csv") -> list[str | Path]:
    folds = ["--train-folds", "1-4", "--val-folds", "5,6", "--test-folds", "7-8"]
    return [
        "rec",
        "--id",
        "stem",
        "--truth",
        truth,
        "--split",
        "fold",
        "--by",
        "patient",
        "--features",
        "f.jsonl",
        *folds,
    ]


def rows_of(done: subprocess.CompletedProcess[bytes]) -> dict[str, dict]:
    assert done.returncode == 0, done.stderr
    return {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_every_baseline_stands_beside_the_model_at_every_fraction(folder: Path) -> None:
    done = probe(*common(), "--draws", "200", "--seeds", "2", cwd=folder)
    found = rows_of(done)
    columns = ["class:fast", "class:coin", "class:never", "macro:all", "macro:min10"]
    methods = ["model", "random", "ridge", "constant", "model-random", "model-ridge"]
    assert set(found) == {f"{m}/{f}/{c}" for m in methods for f in ("0.01", "0.1", "1") for c in columns}
    best = found["model/1/class:fast"]
    assert best["auroc"] == 1.0 and best["n"] == 12 and best["positives"] == 6 and best["selected_on"] == "val"
    assert best["strength"][0] is not None and best["train_records"] == [24] and len(best["via"]) == 2
    assert found["constant/1/class:fast"]["auroc"] == 0.5
    random = found["random/1/class:fast"]
    assert random["encoder"].count("random:default:") == 2 and len(random["auroc_seeds"]) == 2
    assert found["model-ridge/1/macro:all"]["auroc_difference"] == pytest.approx(
        found["model/1/macro:all"]["auroc"] - found["ridge/1/macro:all"]["auroc"]
    )
    for text in (b"model - random", b"one value only is left of", b"classes scored as a constant", b"100 %"):
        assert text in done.stderr


def test_test_labels_change_neither_choice_nor_scores(folder: Path, tmp_path: Path) -> None:
    head, *rows = table(folder)
    turned = [[*row[:3], str(1 - int(row[3])), *row[4:]] if int(row[2]) > 6 else row for row in rows]
    write(tmp_path / "poisoned.csv", [head, *turned])
    honest = rows_of(probe(*common(), *FAST, cwd=folder))
    poisoned = rows_of(probe(*common(tmp_path / "poisoned.csv"), *FAST, cwd=folder))
    for method, chosen in (("model", "strength"), ("random", "strength"), ("ridge", "penalty")):
        for fraction in ("0.25", "1"):
            one, other = (found[f"{method}/{fraction}/class:fast"] for found in (honest, poisoned))
            assert one[chosen] == other[chosen] and one["auroc"] == pytest.approx(1 - other["auroc"])


def test_the_same_command_gives_the_same_bytes_whatever_the_order_of_inputs(folder: Path) -> None:
    files = sorted((folder / "rec").glob("*.hea"))[::2]
    options = [*common()[1:-6][:-2], *common()[-6:], *FAST, "--quiet"]
    first, turned = (probe(*order, *options, cwd=folder) for order in (files, files[::-1]))
    assert rows_of(first) and first.stdout == turned.stdout and not first.stderr


def test_merls_protocol_says_that_it_chose_on_test(folder: Path) -> None:
    done = probe(*common(), *FAST, "--protocol", "merl-released", "--table", "-o", "merl.jsonl", cwd=folder)
    assert b"best on these very test labels" in done.stdout and b"merl-released" in done.stderr
    found = {row["id"]: row for row in map(json.loads, (folder / "merl.jsonl").read_text().splitlines())}
    assert found["model/1/class:fast"]["selected_on"] == "test" and found["ridge/1/class:fast"]["selected_on"] == "val"
    assert all(1 <= epoch <= 100 for epoch in found["random/1/class:fast"]["epoch"])


def _patient_in_two(rows: list[list[str]]) -> None:
    rows[-1][1] = rows[1][1]


def _repeated(rows: list[list[str]]) -> None:
    rows.append(rows[1])


def _no_test(rows: list[list[str]]) -> None:
    del rows[-12:]


def _other_ids(rows: list[list[str]]) -> None:
    for row in rows[1:]:
        row[0] = "x" + row[0]


@pytest.mark.parametrize(
    ("change", "options", "said", "code"),
    [
        (_patient_in_two, (), b"1 patient in two parts of the split, such as that of r000 (train) and r047 (test)", 65),
        (_repeated, (), b"repeats an id", 65),
        (_no_test, (), b"no row is of test by the column fold; it holds 1, 2", 65),
        (_other_ids, (), b"against 'xr000'; see --id", 65),
        (None, ("--classes", "fast,slow"), b"no column slow; there are id, patient", 65),
        (None, ("--split", "part"), b"no column part", 65),
        (None, ("--id-column", "coin", "--classes", "fast"), b"repeats an id", 65),
        (None, ("--val-folds", "4"), b"fold 4 is in two", 2),
        (None, ("--val-folds", "b"), b"folds are numbers and ranges", 2),
        (None, ("--fractions", "0,1"), b"shares above 0", 2),
        (None, ("--protocol", "kind"), b"honest, merl-released", 2),
        (None, ("--leads", "I"), b"name another file", 2),
        (None, ("--classes", "fast,coin,fast"), b"names fast twice", 2),
        (None, ("--truth", "none.csv"), b"no such file", 66),
    ],
)  # fmt: skip
def test_what_cannot_serve_is_refused(folder: Path, tmp_path: Path, change, options, said, code) -> None:
    rows = table(folder)
    if change is not None:
        change(rows)
    write(tmp_path / "truth.csv", rows)
    done = probe(*common(tmp_path / "truth.csv"), *FAST, *options, cwd=folder)
    assert done.returncode == code and said in done.stderr and not done.stdout and b"Traceback" not in done.stderr


def test_features_are_not_those_of_other_recordings_of_the_same_names(folder: Path, tmp_path: Path) -> None:
    rows_of(probe(*common(), *FAST, cwd=folder))
    shutil.copytree(folder / "rec", tmp_path / "rec")
    done = probe(tmp_path / "rec", *common()[1:], *FAST, cwd=folder)
    assert done.returncode == 2 and b"name another file" in done.stderr and not done.stdout


def test_a_list_on_a_pipe_is_left_to_the_run(folder: Path) -> None:
    listing = "".join(f"rec/r{k:03d}.hea\n" for k in range(COUNT)).encode()
    options = [*common()[1:-8], *common()[-6:], *FAST]
    piped = probe("--files-from", "/dev/stdin", *options, cwd=folder, stdin=listing)
    assert rows_of(piped)


def test_without_scikit_learn_the_line_to_install_it_is_given(folder: Path) -> None:
    done = probe(*common(), cwd=folder, before="import sys; sys.modules['sklearn'] = None")
    assert done.returncode == 69 and done.stderr.strip().endswith(b"pip install 'medpipe[train]'")


def test_a_stream_with_named_parts_a_bad_record_and_an_encoder_of_another_architecture(
    folder: Path, tmp_path: Path, run: Probe
) -> None:
    rows = table(folder)[1:]
    parts = ["train", "train", "train", "train", "val", "val", "test", "test", "other"]
    named = [
        {"id": row[0], "patient": row[1], "part": parts[int(row[2]) - 1], "labels": {"fast": int(row[3])}}
        for row in rows
    ]
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named))
    stream = run("med-cat", "rec", "--id", "stem", cwd=folder).stdout + b'{"id":"torn"\n'
    options = ["--truth", "truth.jsonl", "--split", "part", "--by", "patient", "--model", "smoke", *FAST]
    done = probe("-", *options, "-o", "m.jsonl", cwd=tmp_path, stdin=stream)
    found = {row["id"]: row for row in map(json.loads, (tmp_path / "m.jsonl").read_text().splitlines())}
    assert done.returncode == 1 and b"1 of 49 inputs failed" in done.stderr
    assert found["random/1/class:fast"]["encoder"] == "smoke:1, smoke:2" and found["model/1/class:fast"]["n"] == 12

"""ecg-benchmark: MERL's six sets read from users' copies, scored for subsets of leads, measured by patient."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import BIN, Run
from simulated import write_records

from medpipe.cli.benchmark import lead_subsets
from medpipe.cli.benchmark_sets import SETS, read_set
from medpipe.cli.exits import Fatal
from medpipe.core.ecg.benchmark_classes import class_names

assert BIN


def write_table(path: Path, columns: dict[str, list]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and recordings of two sets, twelve records each: PTB-XL's superclasses and CSN."""
    root = tmp_path_factory.mktemp("copies")
    headers = write_records(root / "plain", 12, seconds=3.0)
    names = [header.stem for header in headers]
    for folder in ("ptbxl/records500/00000", "csn/WFDBRecords/01/010"):
        (root / folder).mkdir(parents=True)
        for header in headers:
            for file in (header, header.with_suffix(".dat")):
                shutil.copy(file, root / folder / file.name)
    rng = np.random.default_rng(0)
    superclasses = {name: rng.integers(0, 2, 12).tolist() for name in class_names("super")}
    places = [f"records500/00000/{name}" for name in names]
    write_table(
        root / "splits/ptbxl/super_class/ptbxl_super_class_test.csv",
        {"ecg_id": names, "patient_id": [k // 2 for k in range(12)], "filename_hr": places, **superclasses},
    )
    diagnoses = ["AVB,SR", "VB", "ST", "STTC,AFIB"] * 3
    shipped = {one: [int(one in said) for said in diagnoses] for one in class_names("csn")}
    paths = [f"/chapman/WFDBRecords/01/010/{name}.mat" for name in names]
    write_table(root / "splits/chapman/chapman_test.csv", {"ecg_path": paths, "diagnose": diagnoses, **shipped})
    return root


def test_every_class_of_the_six_sets_has_words() -> None:
    sizes = {name: len(class_names(name)) for name in SETS}
    assert sizes == {"super": 5, "sub": 23, "form": 19, "rhythm": 12, "cpsc": 9, "csn": 38}


def test_diagnoses_are_tokens_and_not_substrings(copies: Path) -> None:
    def positives(labels: str) -> dict[str, int]:
        one = read_set("csn", copies / "splits", copies / "csn", "test", labels)
        return dict(zip(one.classes, one.labels.sum(0).tolist(), strict=True))

    exact, merl = positives("exact"), positives("merl")
    assert (exact["VB"], exact["ST"], exact["AF"]) == (3, 3, 0)
    assert (merl["VB"], merl["ST"], merl["AF"]) == (6, 6, 3)


@pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
def test_the_published_tables_have_the_defects_that_are_known(tmp_path: Path) -> None:
    splits = Path(os.environ["MEDPIPE_DATA"]) / "ecg/splits_merl"
    exact = read_set("csn", splits, tmp_path, "train", "exact")
    shipped = read_set("csn", splits, tmp_path, "train", "merl")
    counts = {name: (exact.labels[:, k].sum(), shipped.labels[:, k].sum()) for k, name in enumerate(exact.classes)}
    differing = {name for name, (one, other) in counts.items() if one != other}
    assert differing == {"VB", "AVB", "ST", "AF", "SA", "CR", "2AVB"} and counts["VB"][1] == 665
    named, placed = (read_set("sub", splits, tmp_path, "train", labels) for labels in ("exact", "merl"))
    moved = {name for k, name in enumerate(named.classes) if (named.labels[:, k] != placed.labels[:, k]).any()}
    assert moved == {"AVB", "RAO/RAE", "ISC"}


def test_a_run_scores_measures_and_goes_on(run: Run, copies: Path, tmp_path: Path) -> None:
    options = ["--splits", copies / "splits", "--ptbxl", copies / "ptbxl", "--csn", copies / "csn",
               "-o", tmp_path / "a", "--sets", "super,csn", "--lead-subsets", "12;I", "--draws", "100"]  # fmt: skip
    done = run("ecg-benchmark", *options)
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["super/12/class:NORM"]["n"] == 12 and rows["csn/I/class:STTC"]["positives"] == 3
    assert {"super/I/macro:all", "super/I/macro:seen-all", "super/I/macro:min10"} <= set(rows)
    assert (tmp_path / "a/super.12.jsonl").exists() and (tmp_path / "a/metrics.jsonl").read_bytes() == done.stdout
    again = run("ecg-benchmark", *options)
    assert again.stdout == done.stdout and b"complete already" in again.stderr
    scored = run("med-score", "labels", tmp_path / "a/super.I.jsonl", "--truth", tmp_path / "a/super.truth.csv",
                 "--by", "patient", "--draws", "100", "--quiet")  # fmt: skip
    own = {row["id"]: row for row in map(json.loads, scored.stdout.splitlines())}
    assert own["class:MI"]["auroc"] == rows["super/I/class:MI"]["auroc"]
    assert own["class:MI"]["auroc_ci95"] == rows["super/I/class:MI"]["auroc_ci95"]


def test_records_of_the_other_rate_are_measured_too(run: Run, copies: Path, tmp_path: Path) -> None:
    table = copies / "splits/ptbxl/super_class/ptbxl_super_class_test.csv"
    lines = [line.split(",") for line in table.read_text().splitlines()]
    place = lines[0].index("filename_hr")
    low = [["filename_lr", *lines[0]], *([row[place], *row] for row in lines[1:])]
    for row in low[1:]:
        row[place + 1] = row[place + 1].replace("/r0", "/absent_hr_r0")
    (tmp_path / "s/ptbxl/super_class").mkdir(parents=True)
    text = "\n".join(",".join(row) for row in low) + "\n"
    (tmp_path / "s/ptbxl/super_class/ptbxl_super_class_test.csv").write_text(text)
    options = ["--splits", tmp_path / "s", "--ptbxl", copies / "ptbxl", "--sets", "super", "--lead-subsets", "I"]
    done = run("ecg-benchmark", *options, "--draws", "0", "-o", tmp_path / "o")
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0 and rows["super/I/class:NORM"]["n"] == 12


def test_a_recording_that_is_not_there_is_said_once_whatever_the_subset(run: Run, copies: Path, tmp_path: Path) -> None:
    shutil.copytree(copies / "ptbxl", tmp_path / "ptbxl")
    next((tmp_path / "ptbxl").rglob("*.hea")).unlink()
    base = ["ecg-benchmark", "--splits", copies / "splits", "--sets", "super", "--draws", "0", "-o", tmp_path / "o"]
    done = run(*base, "--ptbxl", tmp_path / "ptbxl", "--lead-subsets", "I;I,II")
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and done.stderr.count(b"missing-file") == 1
    assert rows["super/I/class:NORM"]["n"] == rows["super/I,II/class:NORM"]["n"] == 11
    again = run(*base, "--ptbxl", tmp_path / "ptbxl", "--lead-subsets", "I,II", "--quiet")
    assert again.returncode == 1 and not again.stderr and again.stdout
    other = run(*base, "--ptbxl", copies / "ptbxl", "--lead-subsets", "I")
    assert other.returncode == 2 and b"name another folder" in other.stderr


def test_another_run_is_compared_with_it(run: Run, copies: Path, tmp_path: Path) -> None:
    base = ["--splits", copies / "splits", "--ptbxl", copies / "ptbxl", "--sets", "super", "--quiet"]
    run("ecg-benchmark", *base, "-o", tmp_path / "a", "--lead-subsets", "12")
    options = ["-o", tmp_path / "b", "--lead-subsets", "12", "--against", tmp_path / "a"]
    done = run("ecg-benchmark", *base, *options)
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0 and rows["super/12/macro:all"]["auroc_difference"] == 0


def test_what_is_not_there_is_said(run: Run, copies: Path, tmp_path: Path) -> None:
    base = ["--splits", copies / "splits", "-o", tmp_path / "x"]
    for options, code in (
        ([], 2), (["--ptbxl", copies / "ptbxl", "--sets", "csn"], 2), (["--ptbxl", tmp_path / "no"], 66),
        (["--ptbxl", copies / "ptbxl", "--part", "val"], 66), (["--csn", copies / "csn", "--labels", "x"], 2),
        (["--ptbxl", copies / "ptbxl", "--lead-subsets", "I;X"], 2),
        (["--ptbxl", copies / "ptbxl", "--lead-subsets", "I,I"], 2),
        (["--ptbxl", copies / "ptbxl", "--lead-subsets", "V6-V1"], 2),
        (["--ptbxl", copies / "ptbxl", "--sets", "super", "--against", tmp_path / "no"], 66),
        (["--ptbxl", copies / "ptbxl", "--sets", "super", "-o", copies / "splits/chapman/chapman_test.csv/o"], 74),
    ):  # fmt: skip
        done = run("ecg-benchmark", *base, *options)
        assert done.returncode == code and b"Traceback" not in done.stderr, (options, done.stderr)
    assert list(lead_subsets("12;limb6;I,II,V1,V2,V3,V4,V5,V6")) == ["12", "limb6", "I,II,V1-V6"]
    assert lead_subsets("I,II,V1-V6") == {"I,II,V1-V6": ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]}
    with pytest.raises(Fatal):
        read_set("super", tmp_path, copies, "test", "exact")


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("chapman/chapman", lambda text: text.replace("diagnose", "said"), "no column diagnose"),
        ("ptbxl/super_class/ptbxl_super_class", lambda text: text[:-2] + "\n", "line 13, column HYP: '' is neither"),
    ],
)
def test_a_damaged_table_ends_the_run_before_anything_is_scored(
    run: Run, copies: Path, tmp_path: Path, table: str, change: Callable[[str], str], said: str
) -> None:
    shutil.copytree(copies / "splits", tmp_path / "s")
    path = tmp_path / f"s/{table}_test.csv"
    path.write_bytes(change(path.read_text()).encode())
    options = ["--ptbxl", copies / "ptbxl", "--csn", copies / "csn", "--sets", "super,csn", "-o", tmp_path / "o"]
    done = run("ecg-benchmark", "--splits", tmp_path / "s", *options)
    assert done.returncode == 65 and said in done.stderr.decode() and not (tmp_path / "o").exists()

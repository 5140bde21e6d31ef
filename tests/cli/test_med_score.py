"""med-score labels: met by id and by name, refused where that is not possible, right where it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

metrics = pytest.importorskip("sklearn.metrics")
NAMES = ["atrial fibrillation", "MI"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of 60 records of 20 patients in two streams, and their truth in another order of rows and columns."""
    root, rng = tmp_path_factory.mktemp("score"), np.random.default_rng(0)
    labels = (rng.random((60, 2)) < 0.4).astype(int)
    for name, noise in (("good", 0.6), ("poor", 2.0)):
        scores = labels + noise * rng.normal(size=labels.shape)
        lines = [
            {"id": f"r{k}", "scores": dict(zip(NAMES, map(float, row), strict=True))} for k, row in enumerate(scores)
        ]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        np.save(root / f"{name}.npy", scores)
    np.save(root / "labels.npy", labels)
    rows = [f"{labels[k, 1]},p{k // 3},r{k},{labels[k, 0]}" for k in rng.permutation(60)]
    (root / "truth.csv").write_text("\n".join(["MI,patient,id,atrial fibrillation", *rows]) + "\n")
    return root


def score(run: Run, folder: Path, *options: str, stdin: bytes = b"") -> dict[str, dict]:
    done = run("med-score", "labels", *options, cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return {record["id"]: record for record in map(json.loads, done.stdout.splitlines())}


def test_areas_are_scikit_learns_whatever_the_order(run: Run, folder: Path) -> None:
    found = score(run, folder, "good.jsonl", "--truth", "truth.csv", "--by", "patient")
    labels, scores = np.load(folder / "labels.npy"), np.load(folder / "good.npy")
    for column, name in enumerate(NAMES):
        made = found[f"class:{name}"]
        pair = labels[:, column], scores[:, column]
        assert made["auroc"] == pytest.approx(metrics.roc_auc_score(*pair), abs=1e-6)
        assert made["auprc"] == pytest.approx(metrics.average_precision_score(*pair), abs=1e-6)
        assert made["positives"] == labels[:, column].sum()
        low, high = made["auroc_ci95"]
        assert low < made["auroc"] < high
    assert found["macro:all"]["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-6)


def test_two_streams_are_compared_record_by_record(run: Run, folder: Path) -> None:
    found = score(run, folder, "good.jsonl", "--truth", "truth.csv", "--against", "poor.jsonl", "--by", "patient")
    labels = np.load(folder / "labels.npy")
    good, poor = (metrics.roc_auc_score(labels, np.load(folder / f"{name}.npy")) for name in ("good", "poor"))
    difference = found["macro:all"]
    assert difference["auroc_difference"] == pytest.approx(good - poor, abs=1e-6)
    assert difference["auroc_difference_ci95"][0] > 0 and difference["auroc_difference_p"] <= 0.01


def test_standard_input_the_table_and_a_file(run: Run, folder: Path, tmp_path: Path) -> None:
    stream = (folder / "good.jsonl").read_bytes()
    error = b'{"id":"x","error":{"command":"a","type":"b","message":"c"}}\n'
    done = run("med-score", "labels", "-", "--truth", "truth.csv", "--table", cwd=folder, stdin=stream + error)
    assert b"class:MI" in done.stdout and b"1 error records" in done.stderr
    run("med-score", "labels", "good.jsonl", "--truth", "truth.csv", "-o", tmp_path / "m.jsonl", "--quiet", cwd=folder)
    assert len((tmp_path / "m.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "said", "code"),
    [
        (lambda text: text + text.splitlines()[1] + "\n", b"repeats an id", 65),
        (lambda text: text.replace("MI,patient,id", "MI,MI,id", 1), b"twice", 65),
        (lambda text: text.replace("MI,", "Mi,", 1).replace("atrial", "Atrial"), b"none of its columns", 65),
        (lambda text: text.replace(",r", ",q"), b"no id is in both", 65),
        (lambda text: text.replace("\n1,", "\nyes,", 1).replace("\n0,", "\nno,", 1), b"a label is 0, 1", 65),
        (lambda text: text + "1,p\n", b"cells", 65),
        (lambda text: None, b"No such file", 66),
    ],
)  # fmt: skip
def test_a_table_that_cannot_serve_is_refused(run: Run, folder: Path, tmp_path: Path, change, said, code) -> None:
    changed = change((folder / "truth.csv").read_text())
    if changed is not None:
        (tmp_path / "truth.csv").write_text(changed)
    done = run("med-score", "labels", "good.jsonl", "--truth", tmp_path / "truth.csv", cwd=folder)
    assert done.returncode == code and said in done.stderr and not done.stdout and b"Traceback" not in done.stderr


def test_predictions_with_a_repeated_id_are_refused(run: Run, folder: Path) -> None:
    stream = (folder / "good.jsonl").read_bytes()
    done = run("med-score", "labels", "-", "--truth", "truth.csv", cwd=folder, stdin=stream + stream[:200])
    assert done.returncode == 65 and b"Traceback" not in done.stderr and not done.stdout


def test_unknown_labels_and_missing_partners_are_said(run: Run, folder: Path, tmp_path: Path) -> None:
    rows = (folder / "truth.csv").read_text().splitlines()
    blank = "," + rows[1].split(",", 1)[1]
    (tmp_path / "truth.csv").write_text("\n".join([rows[0], blank, *rows[2:40]]) + "\n")
    done = run("med-score", "labels", "good.jsonl", "--truth", tmp_path / "truth.csv", "--draws", "0", cwd=folder)
    found = {record["id"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert found["class:MI"]["n"] == 38 and found["class:atrial fibrillation"]["n"] == 39
    assert b"21 records" in done.stderr and b"no partner" in done.stderr


def test_what_was_asked_for_and_is_not_there_is_refused(run: Run, folder: Path) -> None:
    rows = [row.split(",") for row in (folder / "truth.csv").read_text().splitlines()]
    kept = [place for place, name in enumerate(rows[0]) if name != "MI"]
    table = "\n".join(",".join(row[place] for place in kept) for row in rows)
    (folder / "without.csv").write_text(table + "\n")
    asked = run(
        "med-score", "labels", "good.jsonl", "--truth", "without.csv", "--classes", "MI,atrial fibrillation", cwd=folder
    )
    assert asked.returncode == 65 and b"MI" in asked.stderr
    few = run("med-score", "labels", "good.jsonl", "--truth", "truth.csv", "--draws", "10", cwd=folder)
    assert few.returncode == 2 and b"100" in few.stderr

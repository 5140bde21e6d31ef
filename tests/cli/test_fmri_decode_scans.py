"""fmri-decode of scans: the bytes of extract, align and decode, by what the model knows of its own responses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scans
from conftest import Run

VOLUMES = 26
CLEAN = (
    "--drop",
    "2",
    "--detrend",
    "poly:1",
    "--fwhm",
    "5",
    "--zscore",
    "--confounds",
    "c.tsv",
    "--strategy",
    "trans_x",
)
CUT = ("--start", "4", "--lag-tr", "2", "--window", "4", "--bold-extra-tr", "1", "--hop", "2", "--slack", "99")
SMALL = ("--set", "length=4", "--set", "layers=1", "--set", "heads=4", "--set", "between=16", "--set", "tokens=12",
         "--batch-size", "4", "--epochs", "1", "--threads", "1")  # fmt: skip


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans of two stories that a model in brain/ has learnt from, and of a third with its run and its windows."""
    root = tmp_path_factory.mktemp("scans")
    scans.write_mask(root / "m.nii.gz")
    scans.write_confounds(root / "c.tsv", VOLUMES)
    for seed, story in enumerate(("one", "two", "new")):
        scans.write_scan(root / f"sub-01_task-{story}_bold.nii.gz", scans.values(VOLUMES, seed))
        (root / "words").mkdir(exist_ok=True)
        rows = [f"{time}\t0.4\tw{(time * (seed + 1)) % 7}" for time in range(1, 40)]
        (root / f"words/{story}.tsv").write_text("\n".join(["onset\tduration\tword", *rows]) + "\n")
        name = f"sub-01_task-{story}_bold"
        must(run, root, "fmri-extract", f"{name}.nii.gz", "--mask", "m.nii.gz", *CLEAN, "-o", f"{story}/{name}.h5")
        must(run, root, "fmri-align", f"{story}/{name}.h5", "--words", "words", *CUT, "-o", f"{story}.jsonl")
    windows = ("one.jsonl", "two.jsonl")
    must(run, root, "fmri-train", *windows, "--stage", "text", "--lm", "small", "--bert", "small", *SMALL, "-o", "text")
    must(run, root, "fmri-train", *windows, "--stage", "brain", "--text", "text", *SMALL, "-o", "brain")
    return root


def must(run: Run, cwd: Path, *arguments: str) -> bytes:
    """What a command writes that must not fail."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def without_way(record: dict) -> dict:
    """But for what tells which commands a record went through."""
    record["alignment"].pop("word_time", None)
    return {key: value for key, value in record.items() if key not in ("via", "source", "id", "parent")}


NEW = "sub-01_task-new_bold.nii.gz"
SIDE = ("--model", "brain", "--mask", "m.nii.gz", "--confounds", "c.tsv")


def test_a_scan_gives_what_extract_align_and_decode_give(run: Run, folder: Path) -> None:
    said = json.loads((folder / "brain/last/medpipe.json").read_text())
    assert said["cleaning"] == {"drop": 2, "fwhm": 5, "strategy": "trans_x", "detrend": ["poly:1"], "zscore": True}
    assert (said["hop"], said["start"], said["lag"], said["volumes"], said["shape"][0]) == (2, 4, 2, 4, 5)
    chain = records(must(run, folder, "fmri-decode", "new.jsonl", "--model", "brain"))
    scan = records(must(run, folder, "fmri-decode", NEW, *SIDE))
    assert len(scan) == 10 and [one["id"] for one in scan] == [one["id"].removeprefix("new/") for one in chain]
    assert [without_way(one) for one in scan] == [without_way(one) for one in chain]
    assert scan[0]["story"] == "new" and scan[0]["i"] == 0 and scan[1]["t0"] - scan[0]["t0"] == 4


def test_run_files_are_cut_as_well_and_groups_change_nothing(run: Run, folder: Path) -> None:
    chain = records(must(run, folder, "fmri-decode", "new.jsonl", "--model", "brain"))
    name = NEW.removesuffix(".nii.gz")
    cut = records(must(run, folder, "fmri-decode", f"new/{name}.h5", "--model", "brain", "-j", "2"))
    assert [without_way(one) for one in cut] == [without_way(one) for one in chain]
    few = records(must(run, folder, "fmri-decode", NEW, *SIDE, "--batch-size", "3"))
    assert [one["text"] for one in few] == [one["text"] for one in chain]


def test_scans_are_a_stream_in_which_a_bad_one_fails_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "fmriprep").mkdir()
    tasks = ("one", "new")
    scans.write_derivatives(tmp_path / "fmriprep", tasks)
    for task in tasks:
        stem = tmp_path / f"fmriprep/sub-01/func/sub-01_task-{task}"
        scans.write_scan(Path(f"{stem}_space-MNI_desc-preproc_bold.nii.gz"), scans.values(VOLUMES))
        scans.write_confounds(Path(f"{stem}_desc-confounds_timeseries.tsv"), VOLUMES)
    done = run("fmri-decode", "--bids", tmp_path / "fmriprep", "--subject", "01", "--model", "brain", cwd=folder)
    made = records(done.stdout)
    assert done.returncode == 1 and [one.get("story") for one in made] == ["new"] * 10 + ["one"] * 10
    assert {one["error"]["type"] for one in made[10:]} == {"learnt-from"} and "text" in made[0]


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (
            {"affine": scans.AFFINE + 3.5 * np.eye(4, k=3)[:, :4] * np.array([0, 0, 0, 1])},
            "other-space",
            "from the image",
        ),
        ({"tr": 1.5}, "wrong-windows", "the scan has a TR of 1.5 s, the model a TR of 2.0 s"),
        ({"count": 6}, "length-mismatch", "the confounds have 26 rows, the image 6 volumes"),
        ({"count": 6, "table": 6}, "too-short", "4 volumes hold no window of 5"),
    ],
)
def test_scans_that_do_not_fit_are_error_records(
    run: Run, folder: Path, tmp_path: Path, change: dict, kind: str, said: str
) -> None:
    options = {"count": VOLUMES, "table": VOLUMES, **change}
    table = scans.write_confounds(tmp_path / "c.tsv", options.pop("table"))
    scans.write_scan(tmp_path / "x.nii.gz", scans.values(options.pop("count")), **options)
    side = ("--model", "brain", "--mask", "m.nii.gz", "--confounds", table)
    done = run("fmri-decode", tmp_path / "x.nii.gz", *side, cwd=folder)
    (failed,) = records(done.stdout)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert failed["error"]["type"] == kind and said in failed["error"]["message"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--mask", "other.nii.gz"), 65, ", the model the mask "),
        (("--labels", "m.nii.gz"), 65, ", the model no atlas of 39 columns"),
        (("--mask", "absent.nii"), 66, "absent.nii: no such file"),
        (("--mask", "m.nii.gz"), 1, "confounds are needed, give --confounds"),
        (("--confounds", "c.tsv"), 1, "a volume needs --mask"),
        (("--subject", "01"), 2, "go with --bids"),
    ],
)
def test_what_a_scan_lacks_is_told(run: Run, folder: Path, options: tuple[str, ...], code: int, said: str) -> None:
    inside = np.zeros(scans.SHAPE, bool)
    inside[:, :4, :3].flat[:84] = True
    inside[0, 5, :] = inside[1, 5, :2] = True
    scans.write_mask(folder / "other.nii.gz", inside)
    done = run("fmri-decode", NEW, "--model", "brain", *options, cwd=folder)
    assert done.returncode == code and said in (done.stderr + done.stdout).decode(), done.stderr
    assert b"Traceback" not in done.stderr


def test_windows_cleaned_otherwise_are_refused_naming_both(run: Run, folder: Path, tmp_path: Path) -> None:
    name = NEW.removesuffix(".nii.gz")
    must(
        run, folder, "fmri-extract", NEW, "--mask", "m.nii.gz", "--detrend", "sg:20", "-o", str(tmp_path / f"{name}.h5")
    )
    done = run("fmri-decode", tmp_path / f"{name}.h5", "--model", "brain", cwd=folder)
    message = records(done.stdout)[0]["error"]["message"]
    assert (
        "a cleaning by detrend sg:20, the model a cleaning by drop 2, fwhm 5.0, strategy trans_x, detrend poly:1"
        in message
    )
    mixed = tmp_path / "mixed.jsonl"
    must(run, folder, "fmri-align", str(tmp_path / f"{name}.h5"), "--words", "words", *CUT, "-o", str(mixed))
    brain = ("--stage", "brain", "--text", "text", *SMALL, "-o", tmp_path / "m")
    done = run("fmri-train", "one.jsonl", mixed, *brain, cwd=folder)
    assert done.returncode == 65 and b"has the cleaning drop 2" in done.stderr and b"train on one kind" in done.stderr

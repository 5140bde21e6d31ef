"""fmri-sim: the folder, its truth, its bytes, and what it refuses."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from conftest import BIN, Run

SMALL = ["--stories", 2, "--test-stories", 1, "--repeats", 2, "--seconds", 40, "--shape", "8,7,6"]


def digest(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sim") / "set"
    done = run("fmri-sim", "-o", folder, *SMALL, "--subjects", 2, "--phones", "--weights")
    assert done.returncode == 0 and not done.stdout
    assert (
        done.stderr.decode().startswith("fmri-sim: 8 runs, 3 stories, 2 listeners, ")
        and len(done.stderr.splitlines()) == 1
    )
    return folder


def runs(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*_bold.nii.gz"))


def test_the_folder_is_laid_out_as_fmripreps(made: Path) -> None:
    names = sorted(path.name for path in (made / "sub-02" / "func").iterdir())
    stems = ["task-story01", "task-story02", "task-test01_run-1", "task-test01_run-2"]
    ends = [
        "desc-brain_mask.nii.gz", "desc-confounds_timeseries.json", "desc-confounds_timeseries.tsv",
        "desc-preproc_bold.json", "desc-preproc_bold.nii.gz", "events.tsv",
    ]  # fmt: skip
    assert names == [f"sub-02_{stem}_{end}" for stem in stems for end in ends]
    assert sorted(path.name for path in (made / "stimuli").iterdir()) == [
        "story01.TextGrid", "story02.TextGrid", "test01.TextGrid",
    ]  # fmt: skip
    described = json.loads((made / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative" and described["GeneratedBy"][0]["Name"] == "medpipe fmri-sim"


def test_scans_have_their_tr_in_seconds_and_the_masks_affine(made: Path) -> None:
    assert len(runs(made)) == 8
    for path in runs(made):
        image = nibabel.load(path)
        mask = nibabel.load(str(path).replace("preproc_bold", "brain_mask"))
        assert image.shape == (8, 7, 6, 30) and image.get_data_dtype() == np.int16
        assert image.header.get_zooms()[3] == 2 and image.header.get_xyzt_units() == ("mm", "sec")
        assert image.dataobj.slope == 0.0625 and (image.affine == mask.affine).all()
        inside = np.asarray(mask.dataobj) == 1
        values = image.get_fdata()
        assert 50 < inside.sum() < inside.size / 1.5 and values[inside].min() > 500 and values[~inside].max() < 200
        facts = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
        assert (facts["RepetitionTime"], facts["StartTime"]) == (2.0, 1.0)


def test_confounds_and_events_have_their_rows(made: Path) -> None:
    for path in made.rglob("*_confounds_timeseries.tsv"):
        rows = list(csv.DictReader(path.open(), delimiter="\t"))
        assert len(rows) == 30 and rows[0]["trans_x_derivative1"] == rows[0]["framewise_displacement"] == "n/a"
        assert {"rot_z_derivative1_power2", "a_comp_cor_00", "csf", "white_matter", "global_signal"} <= set(rows[0])
        masks = json.loads(path.with_suffix(".json").read_text())
        assert masks["a_comp_cor_00"]["Mask"] == "combined"
    events = list(csv.DictReader(next(made.rglob("*task-test01_run-2_events.tsv")).open(), delimiter="\t"))
    words = [line.split('"')[1] for line in words_tier(made / "stimuli" / "test01.TextGrid") if "text" in line]
    assert [row["word"] for row in events] == [word for word in words if word != "sp"]
    assert all(10 < float(row["onset"]) < 50 and float(row["duration"]) > 0 for row in events)


def words_tier(path: Path) -> list[str]:
    text = path.read_text()
    assert text.index('name = "phones"') < text.index('name = "words"')
    return text.split('name = "words"')[1].splitlines()


def test_the_truth_is_told(made: Path) -> None:
    truth = json.loads((made / "truth.json").read_text())
    assert truth["explainable_variance"] == 0.05 and truth["seed"] == 0 and truth["sound_start"] == 10
    assert truth["train"] == ["story01", "story02"] and truth["test"] == ["test01"]
    with h5py.File(made / "truth.h5") as file:
        assert set(file) == {"sub-01", "sub-02"}
        for place, name in enumerate(file):
            one = file[name]
            assert one["weights"].shape == (33, truth["voxels"]) and one["active"][()].sum() == truth["active"][place]
            assert not one["weights"][()][:, ~one["active"][()]].any()
            assert one["peaks"][()].min() >= 5 and one["peaks"][()].max() <= 7
        assert (file["sub-01/weights"][()] != file["sub-02/weights"][()]).any()


def test_two_runs_are_byte_equal_and_another_seed_is_another_set(run: Run, made: Path, tmp_path: Path) -> None:
    options = [*SMALL, "--subjects", 2, "--phones", "--weights", "--quiet"]
    (tmp_path / "again").mkdir()
    done = run("fmri-sim", "-o", tmp_path / "again", *options)
    assert done.returncode == 0 and not done.stderr
    assert digest(tmp_path / "again") == digest(made)
    run("fmri-sim", "-o", tmp_path / "other", *options, "--seed", 1)
    other, first = digest(tmp_path / "other"), digest(made)
    assert set(other) == set(first)
    assert not [name for name in first if ("bold.nii" in name or "TextGrid" in name) and first[name] == other[name]]


def test_without_variance_a_scan_does_not_depend_on_what_is_said(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        rows = "".join(f"{n / 2}\t{name * (n % 5 + 1)}\n" for n in range(60))
        (tmp_path / name / "story.tsv").write_text(f"onset\tword\n{rows}")
        for share in ("0", "0.5"):
            run("fmri-sim", "-o", tmp_path / f"{name}{share}", "--words", tmp_path / name / "story.tsv", "--ev", share,
                "--shape", "6,6,6")  # fmt: skip
    scans = {one: next((tmp_path / one).rglob("*_bold.nii.gz")).read_bytes() for one in ("a0", "b0", "a0.5", "b0.5")}
    assert scans["a0"] == scans["b0"] and len(set(scans.values())) == 3


def test_own_words_are_the_stories_and_the_last_are_for_testing(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two_b"):
        (tmp_path / f"{name}.tsv").write_text("onset\tword\n0.3\tHello\n1.25\tworld\n20\tend\n")
    done = run("fmri-sim", "-o", "out", "--words", "one.tsv", "--words", "two_b.tsv", "--shape", "6,6,6", cwd=tmp_path)
    assert done.returncode == 0
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert truth["train"] == ["one"] and truth["test"] == ["twob"] and truth["vectors"]["topics"] is False
    text = (tmp_path / "out" / "stimuli" / "twob.TextGrid").read_text()
    assert '"hello"' in text and "xmin = 1.25" in text and '"phones"' not in text
    # 10 s before the sound, 20.6 s of it, 10 s after it.
    assert nibabel.load(next((tmp_path / "out").rglob("*_bold.nii.gz"))).shape == (6, 6, 6, 21)


def test_disjoint_topics_share_no_word_of_a_topic(run: Run, tmp_path: Path) -> None:
    from medpipe.core.fmri.story import read_topics

    run("fmri-sim", "-o", tmp_path / "x", "--stories", 3, "--test-stories", 3, "--repeats", 1, "--seconds", 120,
        "--shape", "4,4,4", "--disjoint-topics")  # fmt: skip
    own = {word: topic.name for topic in read_topics() for words in topic.words.values() for word in words}
    said: dict[str, set[str]] = {"story": set(), "test": set()}
    for path in (tmp_path / "x").rglob("*_events.tsv"):
        kind = "test" if "task-test" in path.name else "story"
        said[kind] |= {own[row["word"]] for row in csv.DictReader(path.open(), delimiter="\t") if row["word"] in own}
    assert len(said["test"]) == 4 and len(said["story"]) > 6 and not said["test"] & said["story"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--ev", "1.5"], 2, "--ev"),
        (["--ev", "nan"], 2, "--ev"),
        (["--tr", "0"], 2, "--tr"),
        (["--tr", "2000"], 2, "--tr"),
        (["--shape", "8,8"], 2, "--shape 8,8: it is three numbers"),
        (["--shape", "2,8,8"], 2, "sides are from 4 to 256"),
        (["--shape", "256,256,256"], 2, "do not fit into memory"),
        (["--seconds", "1", "--start", "0"], 2, "6 volumes are too few"),
        (["--stories", "0", "--test-stories", "0"], 2, "no story"),
        (["--words", "gone.tsv"], 66, "--words gone.tsv: no such file"),
        (["--words", "."], 65, "a folder"),
        (["--words", "bad.tsv"], 65, "the words need onset"),
        (["--words", "same.tsv"], 65, "--words same.tsv: the word b begins with the one before it"),
        (["--words", "good.tsv", "--words", "good.tsv"], 2, "two stories would be called good"),
        (["--words", "good.tsv", "--test-stories", "2"], 2, "--words are 1"),
        (["--words", "good.tsv", "--disjoint-topics"], 2, "--disjoint-topics"),
        (["--words", "late.tsv"], 2, "do not fit into memory"),
        (["extra"], 2, "extra"),
    ],
)
def test_bad_input_is_one_clear_line(run: Run, tmp_path: Path, options: list[str], code: int, said: str) -> None:
    (tmp_path / "bad.tsv").write_text("time\tsaid\n1\ta\n")
    (tmp_path / "good.tsv").write_text("onset\tword\n1\ta\n30\tb\n")
    (tmp_path / "same.tsv").write_text("onset\tword\n1\ta\n1\tb\n")
    (tmp_path / "late.tsv").write_text("onset\tword\n1\ta\n1e9\tb\n")
    done = run("fmri-sim", "-o", "out", *options, cwd=tmp_path)
    message = done.stderr.decode()
    assert done.returncode == code and said in " ".join(message.split()) and "Traceback" not in message
    assert code == 2 or len(message.splitlines()) == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.part").exists()


def test_a_folder_with_something_in_it_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    for name, said in (("full", "not an empty folder"), ("file", "not an empty folder"), ("x", "remove it")):
        if name == "file":
            (tmp_path / name).write_text("mine")
        else:
            (tmp_path / (name if name == "full" else f"{name}.part")).mkdir()
            (tmp_path / (name if name == "full" else f"{name}.part") / "mine").write_text("mine")
        before = digest(tmp_path)
        done = run("fmri-sim", "-o", name, *SMALL, cwd=tmp_path)
        assert done.returncode == 74 and said in done.stderr.decode() and len(done.stderr.splitlines()) == 1
        assert digest(tmp_path) == before


def test_names_that_are_no_folders_name_are_told_or_understood(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    done = run("fmri-sim", "-o", "file/x", *SMALL, cwd=tmp_path)
    assert done.returncode == 74 and len(done.stderr.splitlines()) == 1 and b"file/x" in done.stderr
    assert run("fmri-sim", "-o", ".", *SMALL, cwd=tmp_path / "empty").returncode == 0
    assert (tmp_path / "empty" / "truth.json").exists() and not (tmp_path / "empty.part").exists()


def test_a_stopped_run_leaves_nothing(tmp_path: Path) -> None:
    started = subprocess.Popen(
        [BIN / "fmri-sim", "-o", tmp_path / "out", "--stories", "99", "--seconds", "20", "--shape", "6,6,6"],
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 60
    while not list(tmp_path.glob("out.part/sub-01/func/*")) and time.monotonic() < until:
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)
    assert started.wait(60) == 143 and not started.stderr.read()
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_stories(tmp_path: Path) -> None:
    largest = []
    for stories in (2, 40):
        started = subprocess.Popen(
            [BIN / "fmri-sim", "-o", tmp_path / str(stories), "--stories", str(stories), "--seconds", "60", "--quiet"]
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        assert started.returncode == 0
        largest.append(used.ru_maxrss / 1024)
    # A run of 60 s is 10 MiB of float32; forty of them are 400.
    assert largest[1] < largest[0] + 30


def test_a_command_that_only_makes_scans_loads_no_torch(executable: Run, tmp_path: Path) -> None:
    code = (
        "import sys; from medpipe.cli.fmri_sim import app\n"
        f"try: app(['-o', {str(tmp_path / 'x')!r}, '--stories', '1', '--test-stories', '0', '--seconds', '20'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'h5py', 'transformers', 'wfdb') if name in sys.modules])"
    )
    done = executable("python", "-c", code)
    assert done.stdout.strip() == b"[]" and (tmp_path / "x" / "truth.json").exists()

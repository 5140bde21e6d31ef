"""fmri-align end to end: text beside responses, lengths that do not fit, and streams that other commands read."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pybase64
import pytest
import scans
import transcripts
from conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of 20 volumes 2 s apart, its first one dropped, and 30 s of words."""
    scans.write_scan(tmp_path / "story.nii", scans.values())
    scans.write_mask(tmp_path / "m.nii")
    (tmp_path / "words.TextGrid").write_text(transcripts.long_textgrid())
    return tmp_path


@pytest.fixture
def extracted(run: Run, folder: Path) -> Path:
    run("fmri-extract", "story.nii", "--mask", "m.nii", "--drop", "1", "-o", "runs/", cwd=folder)
    return folder


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def array(spec: dict) -> np.ndarray:
    return np.frombuffer(pybase64.b64decode(spec["b64"]), spec["dtype"]).reshape(spec["shape"])


def test_each_window_has_the_words_of_its_volumes(run: Run, extracted: Path) -> None:
    command = ["fmri-align", "runs/story.h5", "--words", "words.TextGrid", "--start", "4", "--window", "5"]
    done = run(*command, cwd=extracted)
    assert done.returncode == 0, done.stderr
    made = records(done.stdout)
    # Volume 1 begins at 2 s of the scan, 2 s before the words do.
    assert [(one["id"], one["t0"], one["t1"]) for one in made[:2]] == [("story@-2-8", -2, 8), ("story@8-18", 8, 18)]
    assert (
        made[0]["tr_texts"] == ["", "so", "i", "reached \u00fcber", ""] and made[0]["text"] == "so i reached \u00fcber"
    )
    assert made[1]["tr_texts"] == ["", 'a "door"', "", "", ""]
    assert [one["i"] for one in made] == [0, 1, 2] and made[0]["story"] == "words" and made[0]["parent"] == "story"
    assert made[1]["responses"]["rows"] == [5, 10] and made[1]["responses"]["h5"] == str(extracted / "runs/story.h5")
    assert made[0]["alignment"] == {"start": 4, "lag_tr": 0, "hop": 5, "word_time": "middle", "gaps": 0}


def test_a_folder_of_runs_is_read_by_its_index(run: Run, extracted: Path) -> None:
    command = ["fmri-align", "--words", "words.TextGrid", "--start", "4", "--window", "5"]
    whole = records(run(*command, "runs", cwd=extracted).stdout)
    assert whole == records(run(*command, "runs/records.jsonl", cwd=extracted).stdout) and len(whole) == 3
    (extracted / "runs/records.jsonl").unlink()
    assert [one["id"] for one in records(run(*command, "runs", cwd=extracted).stdout)] == [one["id"] for one in whole]


def test_a_run_that_meets_no_word_fails_and_a_scan_is_named(run: Run, extracted: Path) -> None:
    options = ["--words", "words.TextGrid", "--start", "4"]
    done = run("fmri-align", "runs/story.h5", *options, "--lag-tr", "40", cwd=extracted)
    (record,) = records(done.stdout)
    assert done.returncode == 1 and record["error"]["type"] == "no-words"
    assert "no word of words meets a volume, with --start 4 and a lag of 40 volumes" in record["error"]["message"]
    (record,) = records(run("fmri-align", "story.nii", *options, cwd=extracted).stdout)
    assert record["error"]["message"] == "the input is a scan: fmri-extract makes responses of it"


def test_a_lag_pairs_words_with_later_responses(run: Run, extracted: Path) -> None:
    command = ["fmri-align", "runs/story.h5", "--words", "words.TextGrid", "--start", "4", "--window", "5"]
    plain = records(run(*command, cwd=extracted).stdout)
    late = records(run(*command, "--lag-tr", "2", cwd=extracted).stdout)
    assert late[0]["tr_texts"] == ["", "", *plain[0]["tr_texts"][:3]] and late[0]["t0"] == plain[0]["t0"] - 4
    assert late[0]["responses"] == plain[0]["responses"]
    more = records(run(*command, "--bold-extra-tr", "3", "--hop", "2", cwd=extracted).stdout)
    assert more[1]["responses"]["rows"] == [2, 10] and len(more[1]["tr_texts"]) == 5
    onset = records(run(*command, "--word-time", "onset", cwd=extracted).stdout)
    assert onset[0]["tr_texts"][1] == "so i"


def test_other_commands_read_the_rows_that_a_window_names(run: Run, extracted: Path) -> None:
    command = ["fmri-align", "runs/records.jsonl", "--words", "words.TextGrid", "--start", "4", "--window", "5"]
    (extracted / "out").mkdir()
    assert run(*command, "-o", "out/w.jsonl", cwd=extracted).returncode == 0
    assert records((extracted / "out/w.jsonl").read_bytes())[0]["responses"]["h5"] == "../runs/story.h5"
    with h5py.File(extracted / "runs/story.h5") as file:
        whole = file["responses"][()]
    read = records(run("med-cat", "out/w.jsonl", cwd=extracted).stdout)
    inline = records(run(*command, "--inline", cwd=extracted).stdout)
    for number, (one, same) in enumerate(zip(read, inline, strict=True)):
        np.testing.assert_array_equal(array(one["responses"]), whole[number * 5 : number * 5 + 5])
        np.testing.assert_array_equal(array(same["responses"]), array(one["responses"]))
    run(*command, "-o", "w.h5", cwd=extracted)
    with h5py.File(extracted / "w.h5") as file:
        np.testing.assert_array_equal(file["responses"], whole[:15].reshape(3, 5, -1))


def test_a_run_on_standard_input_is_copied_into_the_lines(run: Run, extracted: Path) -> None:
    command = ["fmri-align", "--words", "words.TextGrid", "--start", "4", "--window", "5"]
    piped = records(run(*command, stdin=(extracted / "runs/story.h5").read_bytes(), cwd=extracted).stdout)
    inline = records(run(*command, "--inline", "runs/story.h5", cwd=extracted).stdout)
    assert [one["responses"] for one in piped] == [one["responses"] for one in inline]


def test_runs_kept_together_in_one_file_are_cut_as_well(run: Run, extracted: Path) -> None:
    run("fmri-extract", "story.nii", "--mask", "m.nii", "--drop", "3", "--id", "stem", "-o", "b.h5", cwd=extracted)
    with h5py.File(extracted / "b.h5", "a") as file:
        file["id"][0] = b"other"
    run("med-cat", "runs/story.h5", "b.h5", "-o", "both.h5", cwd=extracted)
    command = ["fmri-align", "both.h5", "--words", "words.TextGrid", "--start", "4", "--window", "5", "--inline"]
    made = records(run(*command, cwd=extracted).stdout)
    assert [one["id"] for one in made] == ["story@-2-8", "story@8-18", "story@18-28", "other@2-12", "other@12-22",
                                           "other@22-32"]  # fmt: skip
    np.testing.assert_array_equal(array(made[0]["responses"])[2:], array(made[3]["responses"])[:3])


def test_bare_responses_are_told_what_they_lack(run: Run, folder: Path) -> None:
    data = np.random.default_rng(0).normal(0, 1, (15, 6)).astype("f4")
    with h5py.File(folder / "story.hf5", "w") as file:
        file["data"] = data
    words = folder / "all"
    words.mkdir()
    (words / "story.TextGrid").write_bytes(transcripts.short_textgrid().encode("utf-16"))
    command = ["fmri-align", "story.hf5", "--words", "all", "--start", "4", "--window", "5"]
    done = run(*command, "--tr", "2", "--trim", "3,2", cwd=folder)
    made = records(done.stdout)
    assert done.returncode == 0 and made[0]["t0"] == 2 and made[0]["tr_texts"][:2] == ["i", "reached \u00fcber"]
    assert b"give --tr SECONDS" in run(*command, cwd=folder).stderr


def test_a_window_without_a_scrubbed_volume_in_it(run: Run, folder: Path) -> None:
    scans.write_confounds(folder / "c.tsv")
    options = ["--confounds", "c.tsv", "--scrub", "0.5", "-o", "s.h5"]
    run("fmri-extract", "story.nii", "--mask", "m.nii", *options, cwd=folder)
    command = ["fmri-align", "s.h5", "--words", "words.TextGrid", "--start", "4", "--window", "4", "--hop", "4"]
    made = records(run(*command, cwd=folder).stdout)
    # Volume 5 is not there: rows 4 to 7 are volumes 4, 6, 7, 8.
    assert [one["t0"] for one in made] == [-4, 14, 22] and made[0]["alignment"]["gaps"] == 1


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        (["--start", "16"], "length-mismatch", "the scan ends 3.0 TR (6.0 s) before the words of words"),
        (["--start", "-36"], "length-mismatch", "the words end 23.0 TR (46.0 s) before the scan of words"),
        (["--trim", "3,2"], "bad-value", "leave --trim out"),
        (["--window", "50"], "too-short", "19 volumes hold no window of 50"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(run: Run, extracted: Path, options, kind, said) -> None:
    done = run("fmri-align", "runs/story.h5", "--words", "words.TextGrid", *options, cwd=extracted)
    (record,) = records(done.stdout)
    assert done.returncode == 1 and record["error"]["type"] == kind and said in record["error"]["message"]
    allowed = run(
        "fmri-align", "runs/story.h5", "--words", "words.TextGrid", "--start", "16", "--slack", "3", cwd=extracted
    )
    assert allowed.returncode == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--words", "none.tsv"], 66, b"none.tsv: no such file"),
        (["--words", "m.nii"], 65, b"neither a TextGrid"),
        (["--words", "words.TextGrid", "--tier", "3"], 65, b"no tier 3; there are: 1 phone, 2 word"),
        (["--words", "words.TextGrid", "--trim", "3"], 2, b"two numbers"),
        ([], 2, b"--words"),
    ],
)
def test_words_are_checked_before_any_output(run: Run, extracted: Path, options, code, said) -> None:
    done = run("fmri-align", "runs/story.h5", *options, cwd=extracted)
    assert done.returncode == code and said in done.stderr and not done.stdout and b"Traceback" not in done.stderr


def test_failed_runs_pass_and_others_fail_alone(run: Run, folder: Path) -> None:
    lines = b'{"id":"a","error":{"command":"x","type":"y","message":"z"}}\n{"id":"b"}\n'
    done = run("fmri-align", "--words", "words.TextGrid", stdin=lines, cwd=folder)
    first, second = records(done.stdout)
    assert first["error"]["command"] == "x" and second["error"]["type"] == "not-a-run" and done.returncode == 1


def test_rows_that_are_not_there_are_an_error(run: Run, extracted: Path) -> None:
    command = ["fmri-align", "runs/story.h5", "--words", "words.TextGrid", "--start", "4", "--window", "5"]
    line = records(run(*command, cwd=extracted).stdout)[0]
    for rows, said in (([18, 23], "bad-hdf5"), ([3, 9], "bad-array"), ([3], "bad-array"), ([-5, 0], "bad-array")):
        line["responses"]["rows"] = rows
        (failed,) = records(run("med-cat", stdin=json.dumps(line).encode(), cwd=extracted).stdout)
        assert failed["error"]["type"] == said

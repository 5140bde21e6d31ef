"""fmri-train and fmri-decode: simulated windows to two models, and to text that the models have not been told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import BIN, Run
from windows import window, write_windows

SMALL = ("--set", "length=4", "--set", "layers=1", "--set", "heads=4", "--set", "between=16", "--set", "tokens=24",
         "--set", "lr=0.002", "--batch-size", "8", "--epochs", "2", "--threads", "1")  # fmt: skip
TEXT = ("--stage", "text", "--lm", "small", "--bert", "small", *SMALL)


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stages, learnt from stories a to d, one of them held out; e is for tests."""
    root = tmp_path_factory.mktemp("bpgpt")
    write_windows(root / "train.jsonl", "abcd")
    write_windows(root / "test.jsonl", "e")
    done = run("fmri-train", "train.jsonl", *TEXT, "--test", "test.jsonl", "-o", "text", cwd=root)
    assert done.returncode == 0, done.stderr.decode()
    assert b"24 windows of 3 stories to train on, 8 of 1 story to validate" in done.stderr
    done = run("fmri-train", "train.jsonl", "--stage", "brain", "--text", "text", *SMALL, "-o", "brain", cwd=root)
    assert done.returncode == 0, done.stderr.decode()
    return root


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_windows_come_back_with_text_that_was_written_for_them(run: Run, folder: Path) -> None:
    done = run("fmri-decode", "test.jsonl", "--model", "brain", cwd=folder)
    assert done.returncode == 0, done.stderr
    made = records(done.stdout)
    assert [one["id"] for one in made] == [f"e@{number}" for number in range(8)]
    for one in made:
        assert one["n_tokens"] == len(one["token_logprobs"]) <= 24 and max(one["token_logprobs"]) <= 0
        assert "responses" not in one and one["text"] == " ".join(filter(None, one["tr_texts"]))
        assert one["decoder"]["stage"] == one["decoder"]["prompt"] == "brain" and "seen" not in one
        assert "$" not in one["text"] and "<|endoftext|>" not in one["text"]
    said = [json.loads((folder / name / "best/medpipe.json").read_text()) for name in ("text", "brain")]
    assert said[0]["stories"] == said[1]["stories"] and len(said[0]["stories"]["held"]) == 1
    assert said[1]["begun_with"]["text"]["sha256"] and said[1]["result"]["selection"] == "nll_teacher_forced"


def test_what_was_heard_does_not_change_what_is_written(run: Run, folder: Path, tmp_path: Path) -> None:
    told = [window("e", number) for number in range(3)]
    for one in told:
        one["tr_texts"], one["text"] = ["other", "words", "were", "heard"], "other words were heard"
    bare = [{key: value for key, value in window("e", 3).items() if key not in ("text", "tr_texts", "story")}]
    (tmp_path / "w.jsonl").write_text("\n".join(map(json.dumps, told + bare)) + "\n")
    made = records(run("fmri-decode", tmp_path / "w.jsonl", "--model", "brain", cwd=folder).stdout)
    same = records(run("fmri-decode", "test.jsonl", "--model", "brain", "-j", "2", cwd=folder).stdout)
    assert [one["text"] for one in made] == [one["text"] for one in same[:4]]
    assert [one["token_logprobs"] for one in made] == [one["token_logprobs"] for one in same[:4]]


def test_nulls_and_draws_are_told_by_the_seed(run: Run, folder: Path) -> None:
    def decode(*options: str) -> list[str]:
        done = run("fmri-decode", "test.jsonl", "--model", "brain", *options, cwd=folder)
        assert done.returncode == 0, done.stderr
        return [one["text"] for one in records(done.stdout)]

    drawn = ("--temperature", "1", "--top-p", "0.95")
    assert decode("--null-input", "noise", *drawn) == decode("--null-input", "noise", *drawn)
    assert decode("--null-input", "noise", *drawn) != decode("--null-input", "noise", *drawn, "--seed", "1")
    assert (
        len(set(decode("--null-input", "prompt-free"))) == 1 < len(set(decode("--null-input", "prompt-free", *drawn)))
    )


def test_the_text_stage_writes_its_ceiling(run: Run, folder: Path) -> None:
    made = records(run("fmri-decode", "test.jsonl", "--model", "text", cwd=folder).stdout)
    assert [one["decoder"]["prompt"] for one in made] == ["text"] * 8
    refused = run("fmri-decode", "test.jsonl", "--model", "text", "--null-input", "noise", cwd=folder)
    assert refused.returncode == 2 and b"the text stage reads none" in refused.stderr


def test_windows_that_cannot_be_decoded_are_error_records(run: Run, folder: Path, tmp_path: Path) -> None:
    lagged, wide, blank = window("e", 0), window("e", 1), window("e", 2)
    lagged["alignment"]["lag_tr"] = 0
    wide["responses"]["shape"] = [6, 4]
    del blank["responses"]
    renamed = {**window("a", 0), "id": "z@0", "story": "z"}
    lines = [lagged, wide, blank, renamed, window("a", 1), {"id": "x"}, window("e", 7)]
    (tmp_path / "w.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    done = run("fmri-decode", tmp_path / "w.jsonl", "--model", "brain", cwd=folder)
    made = records(done.stdout)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    kinds = [one.get("error", {}).get("type") for one in made]
    assert kinds[:3] == ["wrong-windows", "wrong-shape", "no-responses"] and kinds[4:] == [
        "learnt-from",
        "not-a-window",
        None,
    ]
    assert "lag of 0 volumes, the model a lag of 2" in made[0]["error"]["message"]
    allowed = records(run("fmri-decode", tmp_path / "w.jsonl", "--model", "brain", "--seen", cwd=folder).stdout)
    assert allowed[4]["seen"] is True and "seen" not in allowed[6]


def test_a_run_that_was_stopped_goes_on_to_the_same_metrics(run: Run, folder: Path, tmp_path: Path) -> None:
    def lines(out: Path) -> list[dict]:
        found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "timing"} for line in found]

    again = run("fmri-train", "train.jsonl", *TEXT, "-o", "text", cwd=folder)
    assert again.returncode == 65 and b"resume it" in again.stderr
    done = run("fmri-train", "train.jsonl", *TEXT, "--resume", "-o", "text", cwd=folder)
    assert done.returncode == 0 and len(lines(folder / "text")) == 3, done.stderr


@pytest.mark.slow
def test_two_processes_train_one_model(run: Run, folder: Path, tmp_path: Path) -> None:
    command = ["--nproc-per-node", "2", "--no-python", "fmri-train", "train.jsonl", *TEXT, "--batch-size", "4",
               "--max-steps", "2", "-o", tmp_path / "m"]  # fmt: skip
    done = run("torchrun", *command, cwd=folder, env={"PATH": f"{BIN}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads((tmp_path / "m/last/medpipe.json").read_text())["result"]["processes"] == 2


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((*TEXT, "--preset", "none"), 2, "no training preset none"),
        ((*TEXT, "--text", "text"), 2, "goes with --stage brain"),
        (("--stage", "brain"), 2, "goes with --stage brain"),
        (("--stage", "brain", "--text", "text", "--lm", "small"), 2, "go with --stage text"),
        ((*TEXT, "--set", "text_lm=frozen"), 2, "frozen it learns nothing"),
        ((*TEXT, "--set", "heads=5"), 2, "5 heads do not divide"),
        ((*TEXT, "--batch-size", "99"), 2, "make no batch of 99"),
        ((*TEXT, "--set", "length=500"), 65, "the language model reads 512"),
        ((*TEXT, "--lm", "absent"), 69, "absent: no such folder"),
        ((*TEXT, "--test", "train.jsonl"), 65, "a is in both"),
        ((*TEXT, "--validation", "absent"), 66, "absent"),
        (("--stage", "brain", "--text", "brain", *SMALL), 65, "is of the brain stage"),
        (("--stage", "brain", "--text", "text", *SMALL, "--preset", "bp-gpt"), 2, "give both the same preset"),
        (("--stage", "brain", "--text", "nowhere", *SMALL), 69, "fmri-train writes one"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    done = run("fmri-train", "train.jsonl", *options, "-o", tmp_path / "m", cwd=folder)
    assert done.returncode == code and said in done.stderr.decode(), done.stderr
    assert b"Traceback" not in done.stderr


def test_windows_that_cannot_be_learnt_from_are_one_line(run: Run, folder: Path, tmp_path: Path) -> None:
    odd = window("a", 0)
    odd["responses"] = {**odd["responses"], "shape": [6, 4]}
    brain = ("--stage", "brain", "--text", "text", *SMALL, "-o", tmp_path / "m")
    for record, said in (
        ({"id": "x"}, "it has no story, or no tr_texts"),
        ({**window("a", 0), "responses": None}, "has no responses"),
        (odd, "has the shape"),
        ({**window("a", 0), "alignment": {"lag_tr": 0}}, "has the lag"),
    ):
        (tmp_path / "w.jsonl").write_text(json.dumps({**record, "id": "odd"}) + "\n")
        done = run("fmri-train", "train.jsonl", tmp_path / "w.jsonl", *brain, cwd=folder)
        assert done.returncode == 65 and said in done.stderr.decode() and b"Traceback" not in done.stderr, done.stderr


def test_the_same_words_under_another_name_are_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    lines = [{**window("a", number), "id": f"z@{number}", "story": "z", "parent": "z"} for number in range(8)]
    (tmp_path / "z.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    done = run("fmri-train", "train.jsonl", *TEXT, "--test", tmp_path / "z.jsonl", "-o", tmp_path / "m", cwd=folder)
    assert done.returncode == 65 and b"z has 100% of its runs of 8 words in common with a" in done.stderr

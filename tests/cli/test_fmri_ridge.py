"""The baseline from the command line: windows to linear models, and to text by Tang's decoder with its nulls."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pybase64
import pytest
from conftest import Run
from windows import WORDS

VOXELS, VOLUMES, WINDOW = 12, 48, 6
FIT = ("--stage", "ridge", "--lm", "small", "--set", "layer=0", "--set", "placement=sum", "--threads", "1")
SEARCH = ("--model", "ridge", "--set", "beam=10")


def story(name: str, seed: int) -> list[dict]:
    """Windows of a run of so many volumes, two words in each and none in every fifth; voxels answer two volumes on."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 2)) if volume % 5 else "" for volume in range(VOLUMES)]
    responses = 0.2 * rng.standard_normal((VOLUMES, VOXELS))
    for volume, text in enumerate(texts[:-2]):
        for word in text.split():
            responses[volume + 2] += np.random.default_rng(WORDS.index(word)).standard_normal(VOXELS)
    return [window(name, start, texts, responses.astype("<f4")) for start in range(0, VOLUMES, WINDOW)]


def window(name: str, start: int, texts: list[str], responses: np.ndarray) -> dict:
    part, t0 = slice(start, start + WINDOW), 2.0 * start - 10
    return {
        "id": f"{name}@{t0:g}", "parent": f"run-{name}", "tr": 2.0, "story": name, "i": start // WINDOW, "t0": t0,
        "t1": t0 + 2 * WINDOW, "text": " ".join(filter(None, texts[part])), "tr_texts": texts[part],
        "alignment": {"lag_tr": 0},
        "responses": {"dtype": "<f4", "shape": [WINDOW, VOXELS],
                      "b64": pybase64.b64encode(responses[part].tobytes()).decode()},
    }  # fmt: skip


def write(path: Path, windows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in windows))
    return path


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of stories a to d and one more held out; f and g are for tests."""
    root = tmp_path_factory.mktemp("ridge")
    write(root / "train.jsonl", [one for seed, name in enumerate("abcde") for one in story(name, seed)])
    write(root / "test.jsonl", story("f", 5) + story("g", 6))
    done = run("fmri-train", "train.jsonl", *FIT, "--test", "test.jsonl", "-o", "ridge", cwd=root)
    assert done.returncode == 0, done.stderr.decode()
    assert b"4 stories to fit, 1 story held out" in done.stderr
    return root


def test_a_fit_says_what_it_predicts_of_stories_held_out(folder: Path) -> None:
    chosen, held = records((folder / "ridge/metrics.jsonl").read_bytes())
    assert chosen["voxels"] == VOXELS and chosen["encoding_r"] > 0.5 and held["encoding_r"] > 0.5
    assert held["decoding_r"] > 0.3 and held["word_rate_r"] > 0.1 and held["identification"] > 0.8
    # 19 shifts are possible.
    assert held["p"] >= 0.05 and len(held["stories"]) == 1
    said = json.loads((folder / "ridge/medpipe.json").read_text())
    assert said["stage"] == "ridge" and said["lag"] == 0 and len(said["words"]) == len(WORDS)


def test_runs_come_back_with_words_that_the_responses_tell(run: Run, folder: Path) -> None:
    def decode(*options: str) -> list[dict]:
        done = run("fmri-decode", "test.jsonl", *SEARCH, *options, cwd=folder)
        assert done.returncode == 0, done.stderr
        return records(done.stdout)

    def shared(made: list[dict]) -> float:
        truth = records((folder / "test.jsonl").read_bytes())
        pairs = [({*one["text"].split()}, {*true["text"].split()}) for one, true in zip(made, truth, strict=True)]
        return float(np.mean([len(one & true) / len(one | true) for one, true in pairs]))

    made, chance = decode(), decode("--null-input", "random-likelihood")
    assert [one["id"] for one in made] == [one["id"] for one in records((folder / "test.jsonl").read_bytes())]
    assert all("responses" not in one and len(one["tr_texts"]) == WINDOW for one in made)
    assert shared(made) > shared(chance) + 0.1 and shared(made) > shared(decode("--null-input", "noise")) + 0.1
    assert sum(one["log_likelihood"] for one in made) > sum(one["log_likelihood"] for one in chance)
    # The same times of words.
    assert [[len(text.split()) for text in one["tr_texts"]] for one in made] == [
        [len(text.split()) for text in one["tr_texts"]] for one in chance
    ]


def test_runs_are_whole_whatever_the_shards_and_workers(run: Run, folder: Path, tmp_path: Path) -> None:
    whole = run("fmri-decode", "test.jsonl", *SEARCH, "-j", "2", cwd=folder)
    for number in "01":
        run("fmri-decode", "test.jsonl", *SEARCH, "--shard", f"{number}/2", "-o", tmp_path / number, cwd=folder)
    joined = run("med-cat", "--interleave", tmp_path / "0", tmp_path / "1", "-o", tmp_path / "all.jsonl")
    assert joined.returncode == 0, joined.stderr
    assert (tmp_path / "all.jsonl").read_bytes() == whole.stdout and len(records(whole.stdout)) == 16


def test_windows_that_are_none_for_the_model_leave_the_others_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    told, learnt = story("f", 5), story("a", 0)[0]
    told[2]["alignment"] = {"lag_tr": 2}
    del told[5]["responses"]
    lines = [*map(json.dumps, told[:6]), '{"id": "torn', json.dumps(told[7])]
    lines += [json.dumps({**learnt, "story": "z", "parent": "z"}), json.dumps(told[6])]
    # A run of fmri-extract, which does not say what was heard in it.
    lines += [json.dumps({key: learnt[key] for key in learnt if key not in ("story", "t0", "tr_texts")} | {"id": "a"})]
    (tmp_path / "w.jsonl").write_text("\n".join(lines) + "\n")
    done = run("fmri-decode", tmp_path / "w.jsonl", *SEARCH, cwd=folder)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    made = records(done.stdout)
    kinds = [one.get("error", {}).get("type") for one in made]
    assert kinds[:6] == [None, None, "wrong-windows", None, None, "no-responses"]
    assert kinds[6] is not None and kinds[7:] == [None, "learnt-from", "scattered", "not-a-window"]
    assert made[7]["text"] and made[7]["id"] == told[7]["id"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((*FIT, "--test", "train.jsonl"), 65, "a is in both"),
        ((*FIT, "--epochs", "2", "--resume"), 2, "takes no --epochs, --resume"),
        ((*FIT, "--set", "layer=9"), 65, "the language model has 2 layers"),
        ((*FIT, "--set", "shrinkage=0"), 2, "shrinkage is above 0"),
        ((*FIT, "--validation", "names"), 65, "two at least"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(
    run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    (folder / "names").write_text("b\nc\nd\ne\n")
    done = run("fmri-train", "train.jsonl", *options, "-o", tmp_path / "m", cwd=folder)
    assert done.returncode == code and said in done.stderr.decode() and b"Traceback" not in done.stderr, done.stderr


def test_a_lag_a_finished_folder_and_options_of_other_models_are_refused(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    late = write(tmp_path / "w.jsonl", [{**one, "alignment": {"lag_tr": 2}} for one in story("a", 0)])
    for command, code, said in (
        (("fmri-train", late, *FIT, "-o", tmp_path / "m"), 65, "a lag of 2 volumes"),
        (("fmri-train", "train.jsonl", *FIT, "-o", "ridge"), 65, "holds a model already"),
        (("fmri-train", "train.jsonl", "--stage", "brain", "--text", "ridge", "-o", tmp_path / "m"), 65, "no BP-GPT"),
        (("fmri-decode", "test.jsonl", *SEARCH, "--null-input", "prompt-free"), 2, "have no prompt"),
        (("fmri-decode", "test.jsonl", *SEARCH, "--temperature", "1"), 2, "this one searches"),
    ):
        done = run(*command, cwd=folder)
        assert done.returncode == code and said in done.stderr.decode() and b"Traceback" not in done.stderr, done.stderr

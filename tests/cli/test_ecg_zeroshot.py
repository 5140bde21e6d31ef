"""ecg-zeroshot: scores of conditions in words, from recordings or from embeddings."""

import json
import re
from pathlib import Path

import pytest
from conftest import Run

QUERIES = ["-q", "atrial fibrillation", "-q", "left bundle branch block", "-q", "normal ECG"]


def scored(run: Run, folder: Path, *options: str | Path, stdin: bytes = b"") -> list[dict]:
    done = run("ecg-zeroshot", *options, cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_scores_are_probabilities_by_name(run: Run, good_folder: Path) -> None:
    made = scored(run, good_folder, *QUERIES, "rec/r00000.hea")[0]
    assert list(made["scores"]) == QUERIES[1::2] and made["score_kind"] == "probability"
    assert all(0 < score < 1 for score in made["scores"].values())
    assert set(made["scorer"]) == {"name", "sha256", "space"} and "signal" not in made and "embedding" not in made


def test_embeddings_score_as_their_recordings_do(run: Run, good_folder: Path) -> None:
    direct = scored(run, good_folder, *QUERIES, "rec")
    stream = run("ecg-encode", "rec", cwd=good_folder).stdout
    for one, other in zip(direct, scored(run, good_folder, *QUERIES, stdin=stream), strict=True):
        assert one["scores"] == other["scores"] and len(other["via"]) == 2


def test_a_score_depends_on_no_other_query_and_no_other_record(run: Run, good_folder: Path) -> None:
    together = scored(run, good_folder, *QUERIES, "rec")
    alone = scored(run, good_folder, "-q", "normal ECG", "rec/r00005.hea")[0]
    assert alone["scores"]["normal ECG"] == together[5]["scores"]["normal ECG"]


def test_queries_from_files(run: Run, good_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("\ufeffatrial fibrillation\r\n\nnormal ECG\n")
    (tmp_path / "named.json").write_text('{"AFIB": "atrial fibrillation", "NORM": "normal ECG"}')
    lines = scored(run, good_folder, "--queries", tmp_path / "lines", "rec/r00000.hea")[0]["scores"]
    named = scored(run, good_folder, "--queries", tmp_path / "named.json", "rec/r00000.hea")[0]["scores"]
    assert list(named) == ["AFIB", "NORM"] and list(lines.values()) == list(named.values())


def test_the_highest_scores_alone(run: Run, good_folder: Path) -> None:
    whole = scored(run, good_folder, *QUERIES, "rec/r00000.hea")[0]["scores"]
    top = scored(run, good_folder, *QUERIES, "--top", "2", "rec/r00000.hea")[0]["scores"]
    assert list(top.items()) == sorted(whole.items(), key=lambda one: -one[1])[:2]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, b"no query"),
        (["-q", " "], 2, b"empty"),
        (["-q", "a", "-q", "a"], 2, b"twice"),
        (["--queries", "no-such-file"], 66, b"no-such-file"),
    ],
)
def test_queries_that_are_none(run: Run, good_folder: Path, options: list, code: int, said: bytes) -> None:
    done = run("ecg-zeroshot", *options, "rec/r00000.hea", cwd=good_folder)
    assert done.returncode == code and said in done.stderr and not done.stdout


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{not json", b'{"a": 1}', b"{}", b"\n \n"])
def test_a_damaged_file_of_queries(run: Run, good_folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "q").write_bytes(content)
    done = run("ecg-zeroshot", "--queries", tmp_path / "q", "rec/r00000.hea", cwd=good_folder)
    assert done.returncode == 65 and len(done.stderr.splitlines()) == 1


def test_another_embedding_space_names_both_sides(run: Run, good_folder: Path) -> None:
    stream = run("ecg-encode", "--model", "smoke", "rec/r00000.hea", cwd=good_folder).stdout
    done = run("ecg-zeroshot", *QUERIES, "--model", "default", stdin=stream)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1 and error["type"] == "other-space"
    assert "smoke" in error["message"] and "medpipe-ecg-default" in error["message"]


def test_the_checkpoint_that_the_record_names_is_used(run: Run, good_folder: Path) -> None:
    stream = run("ecg-encode", "--model", "smoke", "rec/r00000.hea", cwd=good_folder).stdout
    made = scored(run, good_folder, *QUERIES, stdin=stream)[0]
    assert made["score_kind"] == "cosine" and made["scorer"]["name"].startswith("smoke")


def test_an_embedding_of_unknown_origin_is_an_error(run: Run, good_folder: Path) -> None:
    record = json.loads(run("ecg-encode", "rec/r00000.hea", cwd=good_folder).stdout)
    for change in (
        {"encoder": None},
        {"embedding": [1, 2]},
        {"embedding": {"dtype": "<f4", "shape": [1], "b64": "AAAAAA=="}},
    ):
        done = run("ecg-zeroshot", *QUERIES, stdin=json.dumps(record | change).encode() + b"\n")
        assert done.returncode == 1 and "error" in json.loads(done.stdout)


def test_segments_are_scored_one_by_one(run: Run, tmp_path: Path) -> None:
    from simulated import write_records

    write_records(tmp_path, 1, seconds=30)
    parts = scored(run, tmp_path, *QUERIES, "--segment", "10", "r00000.hea")
    assert [part["id"] for part in parts] == ["r00000@0-10", "r00000@10-20", "r00000@20-30"]


def test_an_embedding_of_another_model_fails_its_record_alone(run: Run, good_folder: Path) -> None:
    lines = run("ecg-encode", "rec", cwd=good_folder).stdout.splitlines()
    for change in (
        {},
        {"name": "nobody/has-this", "preset": "merl"},
        {"name": "/etc/passwd", "preset": "x"},
    ):
        record = json.loads(lines[2])
        record["encoder"] |= {"sha256": "0" * 64, **change}
        done = run(
            "ecg-zeroshot", "-q", "normal ECG", stdin=b"\n".join([*lines[:2], json.dumps(record).encode(), lines[3]])
        )
        made = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 1 and ["error" in one for one in made] == [False, False, True, False], done.stderr
        assert made[2]["error"]["type"] in ("other-space", "no-model") and b"Traceback" not in done.stderr


def test_options_that_cannot_change_an_embedding_are_not_passed_over(run: Run, good_folder: Path) -> None:
    made = run("ecg-encode", "rec/r00000.hea", cwd=good_folder).stdout
    for options in (["--leads", "I"], ["--segment", "2"], ["--missing", "zero"], ["--preset", "merl"]):
        done = run("ecg-zeroshot", "-q", "normal ECG", *options, stdin=made)
        assert done.returncode == 1 and json.loads(done.stdout)["error"]["type"] in ("encoded-already", "other-preset")


def test_via_names_the_model_and_its_preprocessing(run: Run, good_folder: Path) -> None:
    done = run("ecg-zeroshot", "-q", "normal ECG", "rec/r00000.hea", cwd=good_folder)
    assert re.search(
        r"ecg-zeroshot \S+ model=\S+@[0-9a-f]{12} preset=default@[0-9a-f]{12} ", json.loads(done.stdout)["via"][-1]
    )


@pytest.mark.parametrize(
    "options",
    [["-q", "\udcff"], ["-q", " "], ["-q", "a", "--device", "banana"], ["-q", "a", "--segment", "inf"],
     ["-q", "a", "--leads", ","], ["-q", "a", "--model", ""], ["--queries", "-"]],
)  # fmt: skip
def test_options_without_a_meaning_are_usage_errors(run: Run, good_folder: Path, options: list[str]) -> None:
    done = run("ecg-zeroshot", *options, *([] if options == ["--queries", "-"] else ["rec"]), cwd=good_folder)
    assert done.returncode == 2 and done.stderr and not done.stdout and b"Traceback" not in done.stderr

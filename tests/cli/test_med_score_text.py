"""med-score text: windows met by id, nulls beside every score, and one clear line for what cannot be scored."""

import json
import random
import subprocess
from pathlib import Path

import pytest
from conftest import BIN, Run

STORIES = ("alpha", "beta")
WORDS = [
    "the", "a", "river", "night", "door", "cold", "old", "man", "light", "car", "road", "tree", "bird", "song", "home",
]  # fmt: skip


def stream(records: list[dict]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stories of twelve windows: what was there, what was decoded in another order, and what is only noise."""
    root, draw = tmp_path_factory.mktemp("text"), random.Random(0)
    true = [
        {"id": f"{story}/{k}", "story": story, "i": k, "t0": 20.0 * k, "text": " ".join(draw.choices(WORDS, k=12))}
        for story in STORIES
        for k in range(12)
    ]
    found, noise = [], []
    for one in true:
        words = [word if draw.random() < 0.6 else draw.choice(WORDS) for word in one["text"].split()]
        found.append({"id": one["id"], "text": " ".join(words).title() + "."})
        noise.append({"id": one["id"], "text": " ".join(draw.choices(WORDS, k=6))})
    (root / "true.jsonl").write_bytes(stream(true))
    (root / "found.jsonl").write_bytes(stream(found[::-1]))
    (root / "noise.jsonl").write_bytes(stream(noise))
    return root


def rows(run: Run, folder: Path, *options: str, stdin: bytes = b"") -> dict[str, dict]:
    done = run("med-score", "text", *options, cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return {record["id"]: record for record in map(json.loads, done.stdout.splitlines())}


def test_each_story_and_all_with_their_nulls(run: Run, folder: Path) -> None:
    done = run("med-score", "text", "found.jsonl", "--truth", "true.jsonl", cwd=folder)
    made = {record["id"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert list(made) == ["alpha", "beta", "all"] and b"p shuffle" in done.stderr
    every = made["all"]
    assert every["windows"] == 24 and every["length_ratio"] == 1 and every["identified_by"] == "bag of words"
    assert every["tokenizer"] == "words" and every["identification"] > 0.9 and every["wer"] < 0.5
    assert every["identification_top1_chance"] == pytest.approx(1 / 12) and every["wer"] == every["wer_truncated"]
    # Nine far shifts a story, or none: a hundred combinations, one of them what was observed.
    assert every["nulls"]["shift"]["n"] == 99 and made["alpha"]["nulls"]["shift"]["n"] == 9
    assert every["nulls"]["shift"]["identification"]["p"] == pytest.approx(0.01)
    assert every["nulls"]["shuffle"]["n"] == 9999 and every["nulls"]["shuffle"]["wer"]["p"] == pytest.approx(0.0001)
    again = run("med-score", "text", "found.jsonl", "--truth", "true.jsonl", cwd=folder)
    assert again.stdout == done.stdout


def test_streams_of_others_are_nulls(run: Run, folder: Path) -> None:
    nulls = ["--null", "noise=noise.jsonl", "--null", "noise=noise.jsonl", "--null", "same=found.jsonl"]
    made = rows(run, folder, "-", "--truth", "true.jsonl", *nulls, stdin=(folder / "found.jsonl").read_bytes())
    told = made["all"]["nulls"]
    assert told["noise"]["n"] == 2 and told["noise"]["wer"]["p"] == pytest.approx(1 / 3)
    assert told["noise"]["length_ratio"] == 0.5 and told["same"]["wer"]["p"] == 1


def test_two_streams_are_compared_window_by_window(run: Run, folder: Path) -> None:
    made = rows(run, folder, "found.jsonl", "--against", "noise.jsonl", "--truth", "true.jsonl")["all"]
    assert made["wer_difference"] == pytest.approx(made["wer"] - made["wer_against"]) and made["wer_difference"] < 0
    assert made["wer_difference_ci95"][1] < 0 and made["nulls"]["shuffle"]["identification"]["p"] < 0.01
    same = rows(run, folder, "found.jsonl", "--against", "found.jsonl", "--truth", "true.jsonl")["all"]
    assert same["bleu1_difference"] == 0 and same["nulls"]["shuffle"]["bleu1"]["p"] == 1


def test_without_a_null_the_rows_say_so(run: Run, folder: Path) -> None:
    options = ["found.jsonl", "--truth", "true.jsonl"]
    for more in (["--permutations", "0"], ["--order", "when"]):
        done = run("med-score", "text", *options, *more, "--draws", "0", cwd=folder)
        assert all(json.loads(line)["uncontrolled"] is True for line in done.stdout.splitlines())
        assert done.stderr.count(b"uncontrolled") == 1
    assert "uncontrolled" not in rows(run, folder, *options, "--permutations", "0", "--null", "n=noise.jsonl")["all"]


def test_texts_that_are_no_decoding_are_told(run: Run, folder: Path, tmp_path: Path) -> None:
    found = [json.loads(line) for line in (folder / "found.jsonl").read_bytes().splitlines()]
    seen = [one | ({"seen": True} if one["id"].startswith("alpha") else {}) for one in found]
    (tmp_path / "seen.jsonl").write_bytes(stream([one | {"decoder": {"prompt": "text"}} for one in seen]))
    options = ["--truth", "true.jsonl", "--permutations", "9", "--draws", "0"]
    done = run("med-score", "text", tmp_path / "seen.jsonl", *options, cwd=folder)
    assert b"12 texts are of stories that the model has learnt from; 24 texts are written from the" in done.stderr
    assert [(one["seen"], one["from_true_text"]) for one in map(json.loads, done.stdout.splitlines())] == [(12, 24)] * 3
    assert not {"seen", "from_true_text"} & set(rows(run, folder, "found.jsonl", *options)["all"])
    drawn = run("med-view", tmp_path / "seen.jsonl", "--truth", "true.jsonl", "-o", tmp_path / "v.svg", cwd=folder)
    assert drawn.returncode == 0 and b"12 texts are of stories that the model has learnt from" in drawn.stderr


def test_empty_texts_are_counted(run: Run, folder: Path, tmp_path: Path) -> None:
    found = [json.loads(line) for line in (folder / "found.jsonl").read_bytes().splitlines()]
    (tmp_path / "p.jsonl").write_bytes(stream([{**one, "text": " "} for one in found[:5]] + found[5:]))
    options = ["--truth", "true.jsonl", "--permutations", "9", "--draws", "0"]
    assert b"5 decoded texts are empty" in run("med-score", "text", tmp_path / "p.jsonl", *options, cwd=folder).stderr


def test_what_takes_no_part_is_said(run: Run, folder: Path, tmp_path: Path) -> None:
    found = (folder / "found.jsonl").read_bytes().splitlines(keepends=True)
    error = b'{"id":"x","error":{"command":"a","type":"b","message":"c"}}\n'
    stray = b'{"id":"elsewhere","text":"a"}\n'
    done = run("med-score", "text", "-", "--truth", "true.jsonl", cwd=folder, stdin=b"".join(found[2:]) + error + stray)
    for said in (b"22 texts scored", b"1 error records in -", b"1 texts of - have no", b"2 texts of true.jsonl have"):
        assert said in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["unscored"] == 2
    whole = run("med-score", "text", "true.jsonl", "--truth", "true.jsonl", "--by", "teller", cwd=folder)
    assert (
        b"every text is the true one" in whole.stderr
        and b"no record of true.jsonl has teller: one story" in whole.stderr
    )
    short = run("med-score", "text", "found.jsonl", "--truth", "true.jsonl", "--min-shift", "200", cwd=folder)
    assert b"too short to be shifted by more than 200: alpha, beta" in short.stderr


def test_keys_are_chosen_and_quiet_is_quiet(run: Run, folder: Path, tmp_path: Path) -> None:
    true = [json.loads(line) for line in (folder / "true.jsonl").read_bytes().splitlines()]
    (tmp_path / "t.jsonl").write_bytes(stream([{**one, "heard": one["text"], "text": None, "book": 7} for one in true]))
    (tmp_path / "p.jsonl").write_bytes(stream([{"id": one["id"], "said": one["text"]} for one in true]))
    keys = ["--text", "said", "--reference", "heard", "--by", "book", "--order", "i", "--min-shift", "2", "--quiet"]
    done = run("med-score", "text", "p.jsonl", "--truth", "t.jsonl", *keys, "-o", "m.jsonl", cwd=tmp_path)
    made = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert not done.stderr and not done.stdout and [one["id"] for one in made] == ["7", "all"] and made[0]["wer"] == 0


def test_whitespace_keeps_case_and_punctuation(run: Run, folder: Path) -> None:
    options = ["found.jsonl", "--truth", "true.jsonl", "--permutations", "0"]
    made = rows(run, folder, *options, "--tokenizer", "whitespace")["all"]
    assert made["tokenizer"] == "whitespace" and made["wer"] == 1
    assert made["meteor_exact_stem"] > 0.3


GOOD = b'{"id":"alpha/0","text":"a"}\n'


@pytest.mark.parametrize(
    ("found", "options", "code", "said"),
    [
        (b'{"id":"alpha/0"}\n', [], 65, b"alpha/0 has no text"),
        (b'{"id":"alpha/0","text":["a"]}\n', [], 65, b"alpha/0 has something else as text"),
        (GOOD + GOOD, [], 65, b"alpha/0 came before"),
        (GOOD + b'{"id":', [], 65, b"not JSON"),
        (b'{"id":"alpha/0","text":"a","teacher_forced":true}\n', [], 65, b"alpha/0 is teacher_forced"),
        (b'{"id":"alpha/0","error":{"command":"a","type":"b","message":"c"}}\n', [], 65, b"all 1 records are errors"),
        (b"", [], 65, b"holds no record with text"),
        (b"a line of text\n", [], 65, b"neither JSON Lines nor HDF5"),
        (b'{"id":"omega","text":"a"}\n', [], 65, b"no id is in both the predictions and true.jsonl: 'omega'"),
        (GOOD, ["--null", "short=one.jsonl"], 65, b"--null short: one.jsonl lacks 1 of the 1 texts scored, alpha/0"),
        (GOOD, ["--null", "noise.jsonl"], 2, b"--null noise.jsonl"),
        (GOOD, ["--null", "shift=noise.jsonl"], 2, b"--null shift=noise.jsonl"),
        (GOOD, ["--null", "n=noise.jsonl", "--against", "noise.jsonl"], 2, b"--null goes with one stream"),
        (GOOD, ["--null", "n=none.jsonl"], 66, b"none.jsonl: no such file"),
        (GOOD, ["--against", "none.jsonl"], 66, b"none.jsonl: no such file"),
        (GOOD, ["--order", "text"], 65, b"alpha/0 has as text no finite number"),
        (GOOD, ["--by", "all"], 65, b"a story is named all"),
        (GOOD, ["--tokenizer", "13a"], 2, b"--tokenizer 13a: it is words or whitespace"),
        (GOOD, ["--idf"], 2, b"go with --bert"),
        (GOOD, ["--min-shift", "nan"], 2, b"--min-shift"),
        (GOOD, ["--draws", "7"], 2, b"--draws 7"),
        (GOOD, ["--bert", "none"], 69, b"none: no folder with a BERT model"),
        (GOOD, ["--bert", "."], 65, b"holds no checkpoint"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_line(
    run: Run, folder: Path, tmp_path: Path, found: bytes, options: list, code: int, said: bytes
) -> None:
    true = [{**json.loads(line), "all": "all"} for line in (folder / "true.jsonl").read_bytes().splitlines()]
    (tmp_path / "true.jsonl").write_bytes(stream(true))
    (tmp_path / "noise.jsonl").write_bytes((folder / "noise.jsonl").read_bytes())
    (tmp_path / "one.jsonl").write_bytes(stream([{"id": "beta/0", "text": "a"}]))
    done = run("med-score", "text", "-", "--truth", "true.jsonl", *options, stdin=found, cwd=tmp_path)
    assert done.returncode == code and said in done.stderr and b"Traceback" not in done.stderr and not done.stdout
    assert code == 2 or len(done.stderr.splitlines()) == 1


def test_a_truth_of_which_some_lack_a_story_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    true = (folder / "true.jsonl").read_bytes() + b'{"id":"late","text":"a","t0":1}\n'
    (tmp_path / "true.jsonl").write_bytes(true)
    done = run("med-score", "text", folder / "found.jsonl", "--truth", "true.jsonl", cwd=tmp_path)
    assert done.returncode == 65 and b"late has no story, which others have" in done.stderr


@pytest.mark.parametrize("library", ["jiwer", "sacrebleu"])
def test_a_library_that_is_absent_is_named_with_the_command_that_adds_it(
    run: Run, folder: Path, tmp_path: Path, library: str
) -> None:
    (tmp_path / f"{library}.py").write_text("raise ImportError\n")
    options = ["found.jsonl", "--truth", "true.jsonl"]
    done = run("med-score", "text", *options, cwd=folder, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 69 and not done.stdout
    assert done.stderr.decode() == f"med-score text: scores of text need {library}: pip install 'medpipe[text]'\n"


def test_nothing_is_imported_that_is_not_used(folder: Path) -> None:
    code = (
        "import sys; sys.argv = 'med-score text found.jsonl --truth true.jsonl --quiet -o /dev/null'.split()\n"
        "from medpipe.cli.med_score import run\n"
        "try: run()\nexcept SystemExit: pass\n"
        "print({'torch', 'transformers', 'nltk', 'scipy', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([BIN / "python", "-c", code], cwd=folder, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "set()"


def test_bertscore_comes_with_the_models_digest(run: Run, folder: Path, tmp_path: Path) -> None:
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(tmp_path)
    transformers.BertTokenizer(vocab={piece: place for place, piece in enumerate(vocabulary)}).save_pretrained(tmp_path)
    options = ["found.jsonl", "--truth", "true.jsonl", "--bert", str(tmp_path), "--bert-layer", "1", "--idf"]
    done = run("med-score", "text", *options, "--permutations", "99", cwd=folder)
    made = json.loads(done.stdout.splitlines()[-1])
    assert len(done.stderr.splitlines()) == 4
    assert made["identified_by"] == "bert" and made["identification"] > 0.7
    assert made["bert"]["layer"] == 1 and made["bert"]["idf"] is True and len(made["bert"]["sha256"]) == 64
    low, high = sorted((made["bertscore_precision"], made["bertscore_recall"]))
    assert low - 1e-6 <= made["bertscore_f1"] <= high + 1e-6
    assert made["nulls"]["shift"]["bertscore_f1"]["p"] < 0.1

"""ecg-entities from the command line: tables and streams of reports to entities, vocabulary and targets."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
from conftest import Run

REPORTS = [
    ("7", "Sinus rhythm. Normal ECG."), ("3", "Vorhofflimmern, Linksschenkelblock"), ("5", "sinusrytm normalt ekg"),
    ("6", "sinus rhythm. possible lvh"), ("9", ""),
]  # fmt: skip


def table(folder: Path) -> Path:
    lines = ["ecg_id,report,name", *(f'{ident},"{report}",Nobody' for ident, report in REPORTS)]
    path = folder / "reports.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_table_of_reports_becomes_entities(run: Run, tmp_path: Path) -> None:
    done = run("ecg-entities", "extract", "--id", "key:ecg_id", table(tmp_path))
    made = records(done.stdout)
    assert done.returncode == 1 and [one["id"] for one in made] == [ident for ident, _ in REPORTS]
    assert made[1]["language"] == "de" and made[1]["entities"][1] == {
        "name": "left bundle branch block", "status": "present", "codes": {"scp": ["CLBBB"], "snomed": ["164909002"]},
        "span": [16, 34], "text": "Linksschenkelblock",
    }  # fmt: skip
    assert [one["error"]["type"] for one in made if "error" in one] == ["unsupported-language", "empty-report"]
    assert b"Nobody" not in done.stdout and b"Swedish" in done.stderr


def test_vocabulary_and_targets_follow(run: Run, tmp_path: Path) -> None:
    run("ecg-entities", "extract", "--id", "key:ecg_id", table(tmp_path), "-o", tmp_path / "e.jsonl", "--quiet")
    done = run("ecg-entities", "vocabulary", tmp_path / "e.jsonl", "--min-count", "1", "-o", tmp_path / "v.json")
    facts = json.loads((tmp_path / "v.json").read_text())
    assert done.returncode == 0 and facts["reports"] == 3 and facts["errors"] == 2
    names = [one["name"] for one in facts["entities"]]
    assert names[0] == "sinus rhythm" and "left ventricular hypertrophy" not in names
    run("ecg-entities", "targets", tmp_path / "e.jsonl", "--vocabulary", tmp_path / "v.json", "-o", tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5") as made:
        assert made.attrs["target_names"].split("\n") == names
        assert made["targets"].shape == (3, len(names)) and made["targets"][:, 0].tolist() == [1, 0, 1]
        assert made["index/targets"][:].tolist() == [0, 1, -1, 2, -1]


def test_several_columns_are_one_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,report_0,report_1,report_2\n1,Sinus rhythm,Normal ECG,\n")
    (made,) = records(run("ecg-entities", "extract", "--report", "report_*", tmp_path / "m.csv").stdout)
    assert made["report"] == "Sinus rhythm. Normal ECG." and len(made["entities"]) == 2
    stream = b'{"id":"1","text":"LBBB is present","kept":[1]}\n'
    (other,) = records(run("ecg-entities", "extract", "--report", "text", stdin=stream).stdout)
    assert other["kept"] == [1] and other["entities"][0]["name"] == "left bundle branch block"


def test_tables_of_any_delimiter_and_compression(run: Run, tmp_path: Path) -> None:
    import gzip

    for name, delimiter in (("a.csv", ";"), ("b.tsv", "\t"), ("c.csv.gz", ",")):
        text = f'\ufeffid{delimiter}report\r\n1{delimiter}"LBBB; no AF, one line\nand another"\r\n'
        data = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        (made,) = records(run("ecg-entities", "extract", tmp_path / name).stdout)
        assert made["id"] == "1" and "another" in made["report"], name
        assert [one["status"] for one in made["entities"]] == ["present", "absent"]


def test_a_table_on_standard_input_is_read_as_the_file(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path)
    command = ["ecg-entities", "extract", "--id", "key:ecg_id", "--quiet"]
    whole = records(run(*command, path, "-o", "-").stdout)
    piped = records(run(*command, stdin=path.read_bytes()).stdout)
    assert len(whole) > 1 and len(piped) == len(whole)
    for one, other in zip(whole, piped, strict=True):
        assert one["id"] == other["id"] and one.get("entities") == other.get("entities")
    assert run("ecg-entities", "extract", stdin=b"name,text\n1,x\n").returncode == 65


def test_shards_workers_and_resume_change_nothing(run: Run, tmp_path: Path) -> None:
    command = ["ecg-entities", "extract", "--id", "key:ecg_id", table(tmp_path), "--quiet"]
    whole = run(*command).stdout
    assert run(*command, "-j", "2").stdout == whole
    for shard in (0, 1):
        run(*command, "--shard", f"{shard}/2", "-o", tmp_path / f"s{shard}")
    assert run("med-cat", "--interleave", tmp_path / "s0", tmp_path / "s1").stdout == whole
    run(*command, "-o", tmp_path / "x.jsonl")
    again = run(*command[:-1], "-o", tmp_path / "x.jsonl", "--resume")
    assert again.returncode == 1 and b"complete already" in again.stderr


def test_bad_tables_and_options_are_one_clear_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "torn.csv").write_text("id,report\n1,sinus rhythm\n2,a,b\n")
    done = run("ecg-entities", "extract", tmp_path / "torn.csv")
    assert done.returncode == 1 and records(done.stdout)[1]["error"]["type"] == "bad-value"
    (tmp_path / "other.csv").write_text("id,text\n1,x\n")
    cases = {
        (tmp_path / "other.csv",): 65, (tmp_path / "none.csv",): 66, ("--cache", "c", tmp_path / "torn.csv"): 2,
        ("--model", "no/such", tmp_path / "torn.csv"): 69,
        ("--model", "m", "--base-url", "http://127.0.0.1:9", tmp_path / "torn.csv"): 69,
    }  # fmt: skip
    for options, code in cases.items():
        done = run("ecg-entities", "extract", *options, env={"HF_HUB_OFFLINE": "1"})
        assert done.returncode == code and b"Traceback" not in done.stderr, options
    assert run("ecg-entities", "vocabulary", tmp_path / "torn.csv").returncode == 65
    large = {"entities": [{"name": f"{number:0100}"} for number in range(700)]}
    (tmp_path / "large.json").write_text(json.dumps(large))
    done = run("ecg-entities", "targets", "--vocabulary", tmp_path / "large.json", "-o", tmp_path / "t.h5", stdin=b"")
    assert done.returncode == 2 and b"--min-count" in done.stderr and not (tmp_path / "t.h5").exists()
    assert run("ecg-entities", "targets", "--vocabulary", tmp_path / "no", stdin=b"{}").returncode == 66

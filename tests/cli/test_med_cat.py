"""med-cat: what is selected, cut, resampled and converted is what was asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import wfdb
from conftest import Run
from scipy.signal import resample_poly
from simulated import ecg, write_records

from medpipe.formats.jsonl import decode
from medpipe.formats.leads import STANDARD_12


def cat(run: Run, folder: Path, *options: str | Path, stdin: bytes = b"") -> list[dict]:
    done = run("med-cat", *options, cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return [decode(line, folder) for line in done.stdout.splitlines()]


def test_a_record_holds_what_the_file_holds(run: Run, good_folder: Path) -> None:
    record = cat(run, good_folder, "rec/r00003.hea")[0]
    signal, fields = wfdb.rdsamp(str(good_folder / "rec/r00003"))
    assert record["leads"] == fields["sig_name"] == list(STANDARD_12)
    assert (record["fs"], record["units"]) == (500, "mV")
    assert record["source"] == {"path": "rec/r00003.hea", "format": "wfdb"}
    np.testing.assert_allclose(record["signal"], signal.T, atol=1e-6)


def test_leads_and_time(run: Run, good_folder: Path) -> None:
    whole = cat(run, good_folder, "rec/r00000.hea")[0]
    some = cat(run, good_folder, "rec/r00000.hea", "--leads", "V1,MDC_ECG_LEAD_II", "--from", "1", "--to", "2.5")[0]
    assert some["leads"] == ["V1", "II"]
    np.testing.assert_array_equal(some["signal"], whole["signal"][[6, 1], 500:1250])


def test_leads_of_a_file_with_one_converter_range_for_all(run: Run) -> None:
    from pydicom.data import get_testdata_file

    whole, beat = cat(run, Path(), get_testdata_file("waveform_ecg.dcm"))
    some, few = cat(run, Path(), get_testdata_file("waveform_ecg.dcm"), "--leads", "V5,II")
    np.testing.assert_array_equal(some["signal"], whole["signal"][[10, 1]])
    np.testing.assert_array_equal(few["signal"], beat["signal"][[10, 1]])
    assert some["adc_range"] == whole["adc_range"]


def test_a_lead_that_is_not_there_is_an_error_that_names_it(run: Run, good_folder: Path) -> None:
    done = run("med-cat", "rec/r00000.hea", "--leads", "V9", cwd=good_folder)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1 and error["type"] == "missing-leads" and "V9" in error["message"]


def test_resampling_is_scipys(run: Run, good_folder: Path) -> None:
    whole = cat(run, good_folder, "rec/r00000.hea")[0]["signal"]
    slow = cat(run, good_folder, "rec/r00000.hea", "--resample", "100")[0]
    assert slow["fs"] == 100
    np.testing.assert_allclose(slow["signal"], resample_poly(whole, 1, 5, axis=1), atol=1e-5)


def test_segments_have_parents_and_a_short_rest_is_left_out(run: Run, good_folder: Path) -> None:
    parts = cat(run, good_folder, "rec/r00000.hea", "--segment", "1.5")
    assert [part["id"] for part in parts] == ["rec/r00000@0-1.5", "rec/r00000@1.5-3", "rec/r00000@3-4"]
    assert {part["parent"] for part in parts} == {"rec/r00000"}
    assert [part["signal"].shape[1] for part in parts] == [750, 750, 500]
    assert len(cat(run, good_folder, "rec/r00000.hea", "--segment", "2.8")) == 1
    overlapping = cat(run, good_folder, "rec/r00000.hea", "--segment", "2", "--step", "1")
    assert [part["id"].split("@")[1] for part in overlapping] == ["0-2", "1-3", "2-4"]


def test_counts_with_their_gain_are_the_physical_values(run: Run, good_folder: Path) -> None:
    whole = cat(run, good_folder, "rec/r00000.hea")[0]["signal"]
    record = cat(run, good_folder, "rec/r00000.hea", "--digital", "--leads", "V2,I")[0]
    assert record["signal"].dtype == np.int32
    gain, baseline = np.array(record["gain"])[:, None], np.array(record["baseline"])[:, None]
    np.testing.assert_allclose((record["signal"] - baseline) / gain, whole[[7, 0]], atol=1e-6)
    line = run("med-cat", "rec/r00000.hea", "--digital", cwd=good_folder).stdout
    again = cat(run, good_folder, "--resample", "500", stdin=line)[0]
    np.testing.assert_allclose(again["signal"], whole, atol=1e-6)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "h5"])
def test_every_container_gives_back_the_same_records(run: Run, good_folder: Path, tmp_path: Path, suffix: str) -> None:
    lines = run("med-cat", "rec", cwd=good_folder).stdout
    run("med-cat", "rec", "-o", tmp_path / f"all.{suffix}", cwd=good_folder)
    back = run("med-cat", tmp_path / f"all.{suffix}").stdout
    for one, other in zip(lines.splitlines(), back.splitlines(), strict=True):
        first, second = json.loads(one), json.loads(other)
        assert second.pop("via") == first.pop("via") * 2
        assert first == second


def test_references_resolve_from_any_folder(run: Run, good_folder: Path, tmp_path: Path) -> None:
    inline = cat(run, good_folder, "rec")
    target = tmp_path / "deep" / "x.jsonl"
    done = run("med-cat", "rec", "--refs", tmp_path / "arrays.h5", "-o", target, cwd=good_folder)
    assert done.returncode == 0, done.stderr
    first = json.loads(target.read_text().splitlines()[0])["signal"]
    assert first["h5"] == "../arrays.h5" and first["shape"] == [12, 2000] and "b64" not in first
    for one, other in zip(inline, cat(run, good_folder, target), strict=True):
        np.testing.assert_array_equal(one["signal"], other["signal"])
    piped = run("med-cat", "rec", "--refs", tmp_path / "again.h5", cwd=good_folder).stdout
    assert json.loads(piped.splitlines()[0])["signal"]["h5"] == str(tmp_path / "again.h5")
    np.testing.assert_array_equal(cat(run, tmp_path, stdin=piped)[3]["signal"], inline[3]["signal"])


def test_a_folder_of_wfdb_records(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    done = run("med-cat", "rec", "--resample", "250", "-o", f"{tmp_path}/out/", cwd=mixed_folder)
    names = (tmp_path / "out/RECORDS").read_text().split()
    index = [json.loads(line) for line in (tmp_path / "out/records.jsonl").read_text().splitlines()]
    assert done.returncode == 1 and len(index) == 24 and len(names) == 17
    signal, fields = wfdb.rdsamp(str(tmp_path / "out" / names[0]))
    assert fields["fs"] == 250 and fields["units"] == ["mV"] * 12
    expected = cat(run, mixed_folder, "rec/r00000.hea", "--resample", "250")[0]["signal"]
    np.testing.assert_allclose(signal.T, expected, atol=2e-3)


def test_ids_never_lead_out_of_the_folder(run: Run, good_folder: Path, tmp_path: Path) -> None:
    line = json.loads(run("med-cat", "rec/r00000.hea", cwd=good_folder).stdout)
    for ident in ("../../etc/x", "/etc/x", "a/../../b", "..", "a b;c"):
        run("med-cat", "-o", f"{tmp_path}/out/", stdin=json.dumps({**line, "id": ident}).encode())
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_head_stops_early(run: Run, good_folder: Path) -> None:
    assert len(cat(run, good_folder, "rec", "--head", "5")) == 5
    assert len(cat(run, good_folder, "rec", "--segment", "1", "--head", "6", "-j", "2")) == 6


def test_head_leaves_nothing_of_what_lies_beyond_it(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    for options in ([], ["-j", "2"], ["--segment", "0.5"]):
        target = tmp_path / "-".join(["out", *options])
        done = run("med-cat", "rec", "--head", "1", *options, "-o", f"{target}/", cwd=mixed_folder)
        assert done.returncode == 0 and not done.stderr
        names = (target / "RECORDS").read_text().split()
        found = sorted(str(path.relative_to(target)) for path in target.rglob("*.*"))
        assert len(names) == 1 and found == sorted([f"{names[0]}.dat", f"{names[0]}.hea", "records.jsonl"])


def test_beats_go_along_into_a_wfdb_folder(run: Run, tmp_path: Path) -> None:
    write_records(tmp_path, 1, seconds=4.0)
    beats, symbols = np.array([100, 900, 1700]), ["N", "V", "N"]
    wfdb.wrann("r00000", "atr", beats, symbols, fs=500, write_dir=str(tmp_path))
    run("med-cat", "r00000.hea", "--beats", "--segment", "1", "-o", "out/", cwd=tmp_path)
    parts = cat(run, tmp_path, "out", "--beats")
    assert [part["beats"].tolist() for part in parts] == [[100], [400], [], [200]]
    names = (tmp_path / "out/RECORDS").read_text().split()
    annotation = wfdb.rdann(str(tmp_path / "out" / names[1]), "atr")
    assert annotation.sample.tolist() == [400] and annotation.symbol == ["V"]


def test_tables_beside_recordings_are_not_taken_for_some(run: Run, tmp_path: Path) -> None:
    write_records(tmp_path / "a", 2, seconds=2.0)
    (tmp_path / "a/patients.csv").write_text("ecg_id,patient_id,age\n1,2,3\n")
    (tmp_path / "a/signal.csv").write_text("time,Lead II\n0,1\n0.01,2\n0.02,1\n")
    assert [record["id"] for record in cat(run, tmp_path, "a")] == ["a/r00000", "a/r00001", "a/signal"]


def test_check_writes_nothing_and_counts_by_type(run: Run, mixed_folder: Path) -> None:
    done = run("med-cat", "--check", "rec", cwd=mixed_folder)
    assert done.returncode == 1 and done.stdout == b""
    assert b"truncated 1" in done.stderr and b"missing-file 1" in done.stderr and b"lfs-pointer 1" in done.stderr


def test_fields_come_only_when_asked_for_by_name(run: Run, tmp_path: Path) -> None:
    header = write_records(tmp_path, 1, seconds=2.0)[0]
    header.write_text(header.read_text() + "#Age: 64\n#Sex: F\n#Name: nobody\n")
    assert cat(run, tmp_path, header.name, "--fields", "Age,height")[0]["fields"] == {"Age": "64", "height": None}


def test_a_day_long_recording_is_cut_in_bounded_memory(run: Run, tmp_path: Path) -> None:
    write_long(tmp_path, hours=24)
    parts = cat(run, tmp_path, "day.hea", "--segment", "3600", "--resample", "50", "--leads", "II")
    assert len(parts) == 24 and parts[23]["signal"].shape == (1, 180_000)


def write_long(folder: Path, hours: int) -> None:
    """Two leads at 128 Hz, the beats of ten seconds over and over."""
    counts = (ecg(0, 10, 128)[[1, 6]] * 200).astype("<i2").T
    with (folder / "day.dat").open("wb") as stream:
        for _ in range(hours * 360):
            stream.write(counts.tobytes())
    lines = [f"day 2 128 {hours * 360 * 1280}", "day.dat 16 200/mV 12 0 0 0 0 II", "day.dat 16 200/mV 12 0 0 0 0 V1"]
    (folder / "day.hea").write_text("\n".join(lines) + "\n")


def test_beats_of_another_time_resolution_are_brought_to_the_records_rate(run: Run, tmp_path: Path) -> None:
    write_records(tmp_path, 1, seconds=4.0)
    wfdb.wrann("r00000", "hi", np.array([1000, 2000]), symbol=["N", "V"], fs=1000, write_dir=str(tmp_path))
    assert cat(run, tmp_path, "r00000.hea", "--beats", "--annotations", "hi")[0]["beats"].tolist() == [500, 1000]

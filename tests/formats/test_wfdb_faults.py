"""Damaged records: each gives a FormatError of its kind, and nothing is read from elsewhere."""

import os
import resource
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_record import open_wfdb

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 120000\n"


@pytest.fixture
def record(tmp_path):
    """A record of two leads and 50 samples with right checksums."""
    counts = np.arange(100, dtype="<i2").reshape(50, 2)
    (tmp_path / "rec.dat").write_bytes(counts.tobytes())
    sums = counts.sum(axis=0)
    lines = [f"rec.dat 16 100/mV 16 0 {counts[0, n]} {sums[n]} 0 {lead}" for n, lead in enumerate(("I", "II"))]
    (tmp_path / "rec.hea").write_text("\n".join(["rec 2 500 50", *lines]))
    return tmp_path / "rec"


def kind_of(path):
    with pytest.raises(FormatError) as caught:
        open_wfdb(str(path)).read(0, 1)
    return caught.value.kind


def change(record, old, new):
    header = record.with_suffix(".hea")
    header.write_text(header.read_text().replace(old, new))


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat", ".mat"])
def test_any_file_of_a_record_names_it(record, suffix):
    assert open_wfdb(f"{record}{suffix}").samples == 50


def test_an_absent_signal_file_is_missing(record):
    record.with_suffix(".dat").unlink()
    assert kind_of(record) == "missing-file"


def test_an_absent_header_is_missing(tmp_path):
    assert kind_of(tmp_path / "nothing.dat") == "missing-file"


@pytest.mark.parametrize("size", [0, 1, 100, 199])
def test_a_short_signal_file_is_truncated(record, size):
    os.truncate(record.with_suffix(".dat"), size)
    assert kind_of(record) == "truncated"


def test_a_file_that_shrinks_after_opening_is_truncated(record):
    os.truncate(record.with_suffix(".dat"), 9 * 2**20)
    change(record, " 500 50", f" 500 {9 * 2**18}")
    ecg = open_wfdb(str(record))
    os.truncate(record.with_suffix(".dat"), 100)
    with pytest.raises(FormatError, match="truncated"):
        ecg.read(1000, 2000)


def test_a_length_that_checksums_deny_is_a_mismatch(record):
    change(record, " 500 50", " 500 25")
    assert kind_of(record) == "mismatch"


def test_a_longer_file_without_checksums_is_noted(record):
    record.with_suffix(".hea").write_text("rec 2 500 25\nrec.dat 16 100\nrec.dat 16 100\n")
    assert "100 bytes" in open_wfdb(str(record)).said["length"]


def test_a_wrong_checksum_is_noted(record):
    change(record, " 2500 ", " 2501 ")
    assert open_wfdb(str(record)).said["checksum"] == "differs for II"


def test_a_length_that_the_header_does_not_give_comes_from_the_file(record):
    change(record, " 500 50", " 500")
    assert open_wfdb(str(record)).samples == 50


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (" 500 50", " 500 0", "empty"), (" 500 50", " 0 50", "bad-rate"), ("rec 2", "rec 0", "empty"),
        ("rec 2", "rec 3", "bad-header"), ("dat 16", "dat 17", "bad-header"),
        (" 500 50", " 500 99999999999", "truncated"), ("100/mV", "1e-99/mV", "bad-header"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(record, old, new, kind):
    change(record, old, new)
    assert kind_of(record) == kind


@pytest.mark.parametrize("name", ["../rec.dat", "/etc/passwd", "a/../../rec.dat", "..\\rec.dat", "-", "C:x.dat"])
def test_a_file_outside_the_folder_is_not_opened(record, name):
    change(record, "rec.dat", name)
    assert kind_of(record) == "bad-header"


def test_a_binary_header_is_refused(record):
    record.with_suffix(".hea").write_bytes(os.urandom(500) + b"\0")
    assert kind_of(record) == "bad-header"


@pytest.mark.parametrize("suffix", [".dat", ".hea"])
def test_a_git_lfs_pointer_is_named(record, suffix):
    record.with_suffix(suffix).write_bytes(LFS)
    assert kind_of(record) == "lfs-pointer"


@pytest.mark.parametrize("suffix", [".dat", ".hea"])
def test_a_git_annex_pointer_or_dangling_link_is_named(record, suffix):
    path = record.with_suffix(suffix)
    path.write_bytes(b"/annex/objects/SHA256E-s200--12.dat\n")
    assert kind_of(record) == "annex-pointer"
    path.unlink()
    path.symlink_to("../.git/annex/objects/xx/yy/SHA256E-s200--12.dat")
    assert kind_of(record) == "annex-pointer"


def test_a_folder_in_place_of_a_file_is_unreadable(record):
    record.with_suffix(".dat").unlink()
    record.with_suffix(".dat").mkdir()
    assert kind_of(record) in {"unreadable", "truncated"}


@pytest.mark.parametrize("suffix", [".dat", ".hea"])
def test_a_named_pipe_does_not_make_the_run_wait(record, suffix):
    path = record.with_suffix(suffix)
    path.unlink()
    os.mkfifo(path)
    assert kind_of(record) in {"unreadable", "bad-header"}


def test_a_window_outside_the_recording_is_refused(record):
    ecg = open_wfdb(str(record))
    for start, stop in [(-1, 5), (0, 51), (9, 8)]:
        with pytest.raises(FormatError):
            ecg.read(start, stop)


NUMBER = st.sampled_from(["0", "1", "2", "-1", "16", "40", "1e9", "-1e-19", "1e20", "9" * 12, "x", "", "1_0"])
FORMAT = st.sampled_from(["8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "0", "7", "16x2", "212:3+5"])
NAME = st.sampled_from(["rec.dat", "rec.dat", "rec.hea", "~", "no.dat"])
GAIN = st.tuples(NUMBER, st.sampled_from(["", "(5)", "(-99999999999999)"]), st.sampled_from(["", "/V", "/nV", "/NU"]))
LINE = st.tuples(NAME, FORMAT, GAIN.map("".join), *[NUMBER] * 5, st.just("I")).map(" ".join)


@given(st.lists(LINE, min_size=1, max_size=3), st.sampled_from(["", "250", "250 3", "250 20"]))
@settings(max_examples=300, deadline=None)
def test_no_header_with_its_file_raises_anything_but_a_format_error(lines, tail):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        Path(folder, "rec.dat").write_bytes(bytes(range(256)))
        Path(folder, "rec.hea").write_text("\n".join([f"rec {len(lines)} {tail}", *lines]))
        with suppress(FormatError):
            ecg = open_wfdb(f"{folder}/rec")
            assert ecg.read(0, ecg.samples).shape == ecg.read_digital(0, ecg.samples).shape
            assert ecg.samples <= 2048


def test_a_day_is_read_window_by_window_in_bounded_memory(tmp_path):
    samples = 24 * 3600 * 500
    with (tmp_path / "day.dat").open("wb") as file:
        file.truncate(samples * 12 * 2)
    lines = [f"day.dat 16 1000/mV 16 0 0 0 0 V{n}" for n in range(12)]
    (tmp_path / "day.hea").write_text("\n".join([f"day 12 500 {samples}", *lines]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ecg = open_wfdb(str(tmp_path / "day"))
    for start in range(0, samples, samples // 50):
        assert ecg.read(start, start + 5000).shape == (12, 5000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_samples_that_are_not_those_of_the_header_are_refused(tmp_path: Path) -> None:
    from simulated import write_records

    header = write_records(tmp_path, 1, seconds=2.0)[0]
    signal = header.with_suffix(".dat")
    assert open_wfdb(str(header)).samples == 1000
    signal.write_bytes(np.random.default_rng(0).bytes(signal.stat().st_size))
    with pytest.raises(FormatError) as caught:
        open_wfdb(str(header))
    assert caught.value.kind == "mismatch"

"""What a file is, by its content."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from medpipe.formats.errors import FormatError
from medpipe.formats.sniff import sniff

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
KINDS = (
    *("wfdb", "edf", "dicom", "csv", "hdf5", "jsonl", "gzip", "zstd", "nifti", "image"),
    *("lfs-pointer", "annex-pointer", "empty", "unknown"),
)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.hea", b"a 1 500 10\n", "wfdb"),
        ("a.hea", b"", "wfdb"),
        ("a.hea", LFS, "lfs-pointer"),
        ("a.edf", LFS, "lfs-pointer"),
        ("a.dat", b"/annex/objects/SHA256E-s1--0\n", "annex-pointer"),
        ("a.bin", b"0       X X", "edf"),
        ("a.bin", b"\xffBIOSEMI", "edf"),
        ("a.csv", b"I,II\n1,2\n", "csv"),
        ("a.bin", b"I,II\n1,2\n", "csv"),
        ("a.csv", b"II\n1\n", "csv"),
        ("a.bin", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("a.bin", b'  {"id":"a"}\n', "jsonl"),
        ("a.bin", b"\x1f\x8b\x08", "gzip"),
        ("a.bin", b"\x28\xb5\x2f\xfd", "zstd"),
        ("a.bin", b"\x89PNG\r\n\x1a\n", "image"),
        ("a.bin", b"\0" * 128 + b"DICM", "dicom"),
        ("a.bin", b"\x5c\x01\x00\x00" + b"\0" * 340 + b"n+1\0", "nifti"),
        ("a.bin", b"\x1c\x02\x00\x00n+2\0" + b"\0" * 504, "nifti"),
        ("a.bin", b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", "dicom"),
        ("a.hea", bytes(range(256)), "wfdb"),
        ("a.hea", b"/annex/objects/SHA256E-s1--0\n", "annex-pointer"),
        ("a.tif", b"II*\0", "image"),
        ("a.bin", b"", "empty"),
        ("a.csv", b"", "empty"),
        ("a.bin", b"\x00\x01\x02\x03\n", "unknown"),
    ],
)
def test_content_tells(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert sniff(str(tmp_path / name)) == kind


def test_a_signal_file_belongs_to_the_header_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.hea").write_text("a 1 500 10\n")
    (tmp_path / "a.dat").write_bytes(b"\x00\x01")
    assert sniff(str(tmp_path / "a.dat")) == sniff(str(tmp_path / "a")) == "wfdb"


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"\xff\xd8\xff\xe0", b"{}\n", b"1,2\n3,4\n"])
@pytest.mark.parametrize("name", ["a.dat", "a.mat", "a", "a.xyz"])
def test_beside_a_header_samples_may_begin_as_anything(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "a.hea").write_text("a 1 500 10\n")
    (tmp_path / name).write_bytes(content)
    known = name == "a.xyz" and content[:2] in (b"\x1f\x8b", b"\xff\xd8")
    assert (sniff(str(tmp_path / name)) == "wfdb") is not known


def test_a_table_beside_a_header_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.hea").write_text("a 1 500 10\n")
    (tmp_path / "a.csv").write_text("I,II\n1,2\n")
    assert sniff(str(tmp_path / "a.csv")) == "csv"


def test_pipes_devices_and_loops_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (str(tmp_path / "pipe"), "/dev/null", str(tmp_path / "loop")):
        with pytest.raises(FormatError) as caught:
            sniff(path)
        assert caught.value.kind == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes(b"0       ")
    (tmp_path / "a.edf").chmod(0)
    with pytest.raises(FormatError) as caught:
        sniff(str(tmp_path / "a.edf"))
    assert caught.value.kind == "unreadable"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=600), st.sampled_from(["a.dat", "a.hea", "a.csv", "a", "a.edf", "a.dcm"]))
def test_any_bytes_are_of_a_known_kind(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert sniff(str(tmp_path / name)) in KINDS


def test_a_real_dicom_file() -> None:
    assert sniff(get_testdata_file("waveform_ecg.dcm")) == "dicom"


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "link.dat").symlink_to("../.git/annex/objects/XX/SHA256-1")
    for name, kind in (
        ("nothing.dat", "missing-file"),
        ("link.dat", "annex-pointer"),
        ("a\0b", "missing-file"),
        ("", "folder"),
    ):
        with pytest.raises(FormatError) as caught:
            sniff(str(tmp_path / name))
        assert caught.value.kind == kind

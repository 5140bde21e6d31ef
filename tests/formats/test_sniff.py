"""What a file is, by its content."""

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from medpipe.formats.errors import FormatError
from medpipe.formats.sniff import sniff

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


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
        ("a.bin", b"", "empty"),
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


def test_a_real_dicom_file() -> None:
    assert sniff(get_testdata_file("waveform_ecg.dcm")) == "dicom"


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "link.dat").symlink_to("../.git/annex/objects/XX/SHA256-1")
    for name, kind in (("nothing.dat", "missing-file"), ("link.dat", "annex-pointer"), ("", "folder")):
        with pytest.raises(FormatError) as caught:
            sniff(str(tmp_path / name))
        assert caught.value.kind == kind

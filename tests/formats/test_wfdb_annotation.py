import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_annotation import BEAT_SYMBOLS, parse_beats, read_beats


def beats_of_wfdb(path, extension="atr"):
    found = wfdb.rdann(str(path), extension)
    pairs = zip(found.sample, found.symbol, strict=True)
    return [(int(sample), symbol) for sample, symbol in pairs if symbol in BEAT_SYMBOLS.values()]


def test_annotations_with_every_kind_of_field_read_as_wfdb_reads_them(tmp_path):
    sample = np.array([5, 70, 3000, 3000, 900000, 2**31 + 5, 2**31 + 10])
    symbol = ["N", "+", "V", "~", "/", "A", "Q"]
    wfdb.wrann(
        "rec", "qrs", sample, symbol, subtype=np.array([0, 1, 2, 0, -1, 0, 0]), chan=np.array([0, 1, 1, 0, 0, 0, 2]),
        num=np.array([0, 0, 3, 0, 0, 0, 1]), aux_note=["", "(AFIB", "odd", "", "even", "", "x"],
        write_dir=str(tmp_path),
    )  # fmt: skip
    samples, symbols = read_beats(str(tmp_path / "rec.hea"), "qrs")
    assert samples.dtype == np.int64
    assert list(zip(samples.tolist(), symbols, strict=True)) == beats_of_wfdb(tmp_path / "rec", "qrs")
    assert symbols == ["N", "V", "/", "A", "Q"]


def test_times_of_another_resolution_are_converted_on_request(tmp_path):
    wfdb.wrann("rec", "atr", np.array([1000, 2000]), ["N", "N"], fs=1000, write_dir=str(tmp_path))
    assert read_beats(str(tmp_path / "rec"))[0].tolist() == [1000, 2000]
    assert read_beats(str(tmp_path / "rec"), fs=250)[0].tolist() == [250, 500]


@pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
def test_mit_bih_beats_read_as_wfdb_reads_them():
    path = Path(os.environ["MEDPIPE_DATA"]) / "ecg/wfdb_samples/100"
    samples, symbols = read_beats(str(path))
    assert list(zip(samples.tolist(), symbols, strict=True)) == beats_of_wfdb(path)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "bad-annotation"), (b"\x05\x04", "truncated"), (b"\x00\xec\x01", "truncated"),
        (b"\x08\xfc\x01\x02", "truncated"), (b"\x05\x04\x00\xec\xff\xff\x00\x00\x01\x04\x00\x00", "bad-annotation"),
        (b"version https://git-lfs.github.com/spec/v1\n", "lfs-pointer"), (None, "missing-file"),
    ],
)  # fmt: skip
def test_damaged_annotations_are_refused(tmp_path, raw, kind):
    if raw is not None:
        (tmp_path / "rec.atr").write_bytes(raw)
    with pytest.raises(FormatError) as caught:
        read_beats(str(tmp_path / "rec"))
    assert caught.value.kind == kind


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_format_error(raw):
    with suppress(FormatError):
        parse_beats(raw)

"""Values of every signal format against those of the wfdb package."""

import os
from pathlib import Path

import numpy as np
import pytest
import wfdb

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_record import open_wfdb
from medpipe.formats.wfdb_signal import LAYOUTS

BITS = {80: 8, 310: 10, 311: 10, 212: 12, 16: 16, 61: 16, 160: 16, 24: 24, 32: 32}
ABSENT = np.iinfo(np.int32).min


def agree(path, **window):
    """Compare with wfdb.rdsamp, values relative to the largest."""
    ecg = open_wfdb(str(path))
    start, stop = window.get("start", 0), window.get("stop", ecg.samples)
    expected, fields = wfdb.rdsamp(str(path), sampfrom=start, sampto=stop)
    found = ecg.read(start, stop)
    assert found.dtype == np.float32
    assert found.shape == (len(fields["sig_name"]), stop - start)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected.T))
    scale = np.nanmax(np.abs(expected), initial=1)
    np.testing.assert_allclose(found / scale, expected.T / scale, rtol=0, atol=1e-6)
    digital = ecg.read_digital(start, stop)
    assert digital.dtype == np.int32
    again = (digital - np.array(ecg.baseline)[:, None]) / np.array(ecg.gain)[:, None]
    again[digital == ABSENT] = np.nan
    np.testing.assert_allclose(found, again, rtol=2e-7, atol=1e-30)
    return ecg


def packed(counts, number):
    """The bytes of interleaved counts, written from signal(5) without a look at the reader."""
    flat = counts.reshape(-1).astype(np.int64)
    plain = {16: ("<i2", 0), 61: (">i2", 0), 32: ("<i4", 0), 80: ("u1", 128), 160: ("<u2", 32768)}
    if number in plain:
        dtype, offset = plain[number]
        return (flat + offset).astype(dtype).tobytes()
    if number == 24:
        return b"".join(int(value).to_bytes(3, "little", signed=True) for value in flat)
    out = bytearray()
    group = 2 if number == 212 else 3
    for start in range(0, len(flat), group):
        mask = 0xFFF if number == 212 else 0x3FF
        part = [int(value) & mask for value in flat[start : start + group]]
        size = {212: (2, 3), 310: (2, 4, 4), 311: (2, 3, 4)}[number][len(part) - 1]
        first, second, third = part + [0] * (3 - len(part))
        if number == 212:
            word = first & 0xFF | (first >> 8) << 8 | (second >> 8) << 12 | (second & 0xFF) << 16
        elif number == 311:
            word = first | second << 10 | third << 20
        else:
            word = first << 1 | (third & 31) << 11 | second << 17 | (third >> 5) << 27
        out += word.to_bytes(4, "little")[:size]
    return bytes(out)


def write(folder, counts, number):
    (folder / "rec.dat").write_bytes(packed(counts, number))
    lines = [f"rec {counts.shape[1]} 500 {len(counts)}"]
    for lead, column in enumerate(counts.T):
        checksum = int(column.sum()) % 65536
        lines.append(f"rec.dat {number} 200(3)/mV {BITS[number]} 0 {column[0]} {checksum} 0 V{lead + 1}")
    (folder / "rec.hea").write_text("\n".join(lines) + "\n")
    return folder / "rec"


def some_counts(number, samples, leads, seed=0):
    top = 2 ** (BITS[number] - 1)
    counts = np.random.default_rng(seed).integers(-top, top, (samples, leads))
    counts[: min(5, samples)] = [[-top], [top - 1], [-top + 1], [0], [-1]][:samples]
    return counts


@pytest.mark.parametrize("number", sorted(BITS))
@pytest.mark.parametrize(("samples", "leads"), [(1, 1), (101, 1), (200, 3), (61, 5)])
def test_each_format_reads_as_wfdb_reads_it(tmp_path, number, samples, leads):
    path = write(tmp_path, some_counts(number, samples, leads), number)
    ecg = agree(path)
    assert ecg.samples == samples
    assert "checksum" not in ecg.said


@pytest.mark.parametrize("number", sorted(BITS))
def test_any_window_is_a_part_of_the_whole(tmp_path, number):
    path = write(tmp_path, some_counts(number, 64, 3), number)
    held = open_wfdb(str(path))
    whole = held.read(0, 64)
    # Without the copy kept of small records: windows are read from the file.
    held.read.__self__.source.file._held = None
    for start, stop in [(0, 1), (1, 2), (5, 5), (7, 31), (2, 64), (63, 64), (10, 40)]:
        np.testing.assert_array_equal(held.read(start, stop), whole[:, start:stop])


def test_first_differences_add_up_in_any_order_of_windows(tmp_path):
    steps = np.random.default_rng(1).integers(-9, 10, (200000, 2)).astype(np.int8)
    (tmp_path / "rec.dat").write_bytes(steps.tobytes())
    lines = ["rec 2 100 200000", "rec.dat 8 100/mV 12 0 5 0 0 I", "rec.dat 8 100/mV 12 0 -7 0 0 II"]
    (tmp_path / "rec.hea").write_text("\n".join(lines))
    ecg = agree(tmp_path / "rec")
    whole = ecg.read_digital(0, 200000)
    np.testing.assert_array_equal(whole[0], 5 + np.cumsum(steps[:, 0].astype(int)))
    ecg.read.__self__.source.file._held = None
    for start, stop in [(150000, 150100), (150100, 150200), (3, 9), (0, 4), (199999, 200000)]:
        np.testing.assert_array_equal(ecg.read_digital(start, stop), whole[:, start:stop])


def test_several_files_formats_offsets_and_skews_in_one_record(tmp_path):
    rng = np.random.default_rng(2)
    first, second = rng.integers(-2000, 2000, (100, 2)).astype("<i2"), rng.integers(-99, 99, 100).astype(">i2")
    (tmp_path / "rec.d0").write_bytes(b"x" * 24 + first.tobytes())
    (tmp_path / "rec.d1").write_bytes(second.tobytes())
    (tmp_path / "rec.hea").write_text(
        "# a comment\nrec 3 500/500(0) 100 10:00:00 01/02/2003\r\n"
        "rec.d0 16+24 1.5e+02(7)/uV 12 0 0 0 0 avr\n\nrec.d0 16:3+24 100/V 12 0 0 0 0 Lead V2\n"
        "rec.d1 61:1 -50/mmHg 12 0 0 0 0 ABP\n"
    )
    ecg, (expected, _) = open_wfdb(str(tmp_path / "rec.d0")), wfdb.rdsamp(str(tmp_path / "rec"))
    assert (ecg.leads, ecg.units) == (["aVR", "V2", "ABP"], ["mV", "mV", "mmHg"])
    np.testing.assert_allclose(ecg.read(0, 100), (expected * [1e-3, 1e3, 1]).T, rtol=1e-6)
    np.testing.assert_array_equal(ecg.read(60, 99), ecg.read(0, 100)[:, 60:99])
    assert np.isnan(ecg.read(0, 100)[1, -3:]).all()
    assert ecg.said == {"units": {"uV to mV": ["aVR"], "V to mV": ["V2"]}, "skew": {"V2": 3, "ABP": 1}}
    assert ecg.headers["date"] == "01/02/2003"
    assert ecg.headers["comments"] == ["a comment"]


def test_samples_of_a_frame_are_averaged_as_wfdb_averages_them(tmp_path):
    counts = np.random.default_rng(3).integers(-2000, 2000, (50, 7)).astype("<i2")
    (tmp_path / "rec.dat").write_bytes(counts.tobytes())
    (tmp_path / "rec.hea").write_text(
        "rec 3 250 50\nrec.dat 16x4 200 12 0 0 0 0 I\nrec.dat 16 200 12 0 0 0 0 II\nrec.dat 16x2 200 12 0 0 0 0 V1\n"
    )
    ecg = agree(tmp_path / "rec")
    assert ecg.fs == 250
    assert ecg.said["frames"] == {"samples averaged": {"I": 4, "V1": 2}}
    agree(tmp_path / "rec", start=11, stop=37)


def test_a_frame_with_an_absent_sample_is_absent(tmp_path):
    counts = np.array([[100, -32768], [100, 102]], "<i2")
    (tmp_path / "rec.dat").write_bytes(counts.tobytes())
    (tmp_path / "rec.hea").write_text("rec 1 250 2\nrec.dat 16x2 100 12 0 0 0 0 I\n")
    np.testing.assert_array_equal(open_wfdb(str(tmp_path / "rec")).read(0, 2), np.float32([[np.nan, 1.01]]))


def test_a_null_signal_is_absent_throughout(tmp_path):
    (tmp_path / "rec.dat").write_bytes(np.arange(10, dtype="<i2").tobytes())
    (tmp_path / "rec.hea").write_text("rec 2 250 10\nrec.dat 16 1 12 0 0 0 0 I\n~ 0 1 0 0 0 0 0 II\n")
    values = open_wfdb(str(tmp_path / "rec")).read(0, 10)
    np.testing.assert_array_equal(values[0], np.arange(10))
    assert np.isnan(values[1]).all()


@pytest.mark.parametrize("number", [508, 516, 524])
def test_flac_goes_through_the_wfdb_package(tmp_path, number):
    soundfile = pytest.importorskip("soundfile")
    bits = {508: 8, 516: 16, 524: 24}[number]
    counts = np.random.default_rng(4).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (300, 2))
    kind = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}[bits]
    data = (counts << (16 - bits)).astype(np.int16) if bits < 24 else (counts << 8).astype(np.int32)
    with soundfile.SoundFile(tmp_path / "rec.dat", "w", 500, 2, kind, format="FLAC") as file:
        file.write(data)
    lines = [f"rec.dat {number} 200(1)/mV {bits} 0 0 0 0 {lead}" for lead in ("I", "II")]
    (tmp_path / "rec.hea").write_text("\n".join(["rec 2 500 300", *lines]))
    agree(tmp_path / "rec")
    agree(tmp_path / "rec", start=50, stop=100)
    assert open_wfdb(str(tmp_path / "rec")).read(5, 5).shape == (2, 0)
    header = (tmp_path / "rec.hea").read_text()
    (tmp_path / "rec.hea").write_text(header.replace("500 300", "500 400"))
    with pytest.raises(FormatError, match="FLAC"):
        open_wfdb(str(tmp_path / "rec")).read(0, 400)


def test_every_layout_is_tried_here():
    assert set(LAYOUTS) == {*BITS, 8}


@pytest.mark.parametrize("number", [16, 24, 32, 80, 212])
def test_records_that_wfdb_writes_are_read(tmp_path, number):
    counts = some_counts(number, 50, 2) // 2
    wfdb.wrsamp(
        "rec", fs=257.5, units=["mV", "uV"], sig_name=["avf", "MLII"], d_signal=counts, fmt=[str(number)] * 2,
        adc_gain=[333.3, 1e-5], baseline=[-12, 7], write_dir=str(tmp_path), comments=["age: 3"],
    )  # fmt: skip
    ecg, (expected, _) = open_wfdb(str(tmp_path / "rec.hea")), wfdb.rdsamp(str(tmp_path / "rec"))
    assert (ecg.fs, ecg.leads, ecg.units) == (257.5, ["aVF", "MLII"], ["mV", "mV"])
    assert ecg.headers["age"] == "3"
    assert set(ecg.said) == {"units"}
    np.testing.assert_allclose(ecg.read(0, 50), (expected * [1, 1e-3]).T, rtol=1e-6)


@pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
@pytest.mark.parametrize("name", ["100", "a103l", "s0010_re", "v102s"])
def test_real_records_read_as_wfdb_reads_them(name):
    path = Path(os.environ["MEDPIPE_DATA"]) / "ecg/wfdb_samples" / name
    ecg = agree(path)
    agree(path, start=1001, stop=3000)
    assert "checksum" not in ecg.said
    assert set(ecg.units) <= {"mV", "NU"}


@pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")
def test_ptb_xl_records_read_as_wfdb_reads_them():
    headers = sorted((Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw").rglob("*.hea"))
    for header in headers[::40]:
        assert agree(header.with_suffix("")).said == {}

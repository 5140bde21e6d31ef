"""EDF and BDF read as edfio reads them, and damage is one clear line."""

from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import ecg

from medpipe.formats.edf import open_edf
from medpipe.formats.errors import FormatError


def write(path: Path, rates: dict[str, float] | None = None, unit: str = "uV", kind: str = "edf") -> Path:
    signal = ecg(1, seconds=8, fs=256)
    rates = rates or {"ECG I": 256, "ECG Lead aVR": 256}
    make, file = (edfio.EdfSignal, edfio.Edf) if kind == "edf" else (edfio.BdfSignal, edfio.Bdf)
    signals = [
        make(1000 * signal[row].astype(float)[:: int(256 / fs)], fs, label=label, physical_dimension=unit)
        for row, (label, fs) in enumerate(rates.items())
    ]
    file(signals, patient=edfio.Patient(name="Mustermann")).write(path)
    return path


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_values_are_edfios_in_millivolts(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"x.{kind}", kind=kind)
    found = open_edf(str(path))
    truth = (edfio.read_edf if kind == "edf" else edfio.read_bdf)(path)
    assert (found.leads, found.units, found.fs, found.samples) == (["I", "aVR"], ["mV", "mV"], 256, 2048)
    np.testing.assert_allclose(found.read(0, 2048), np.stack([s.data for s in truth.signals]) / 1000, atol=1e-6)
    np.testing.assert_array_equal(found.read(300, 700), found.read(0, 2048)[:, 300:700])


def test_signals_at_other_rates_are_left_out_and_named(tmp_path: Path) -> None:
    found = open_edf(str(write(tmp_path / "x.edf", {"ECG II": 256, "Resp": 32})))
    assert found.leads == ["II"] and found.said == {"signals_at_other_rates": ["Resp"]}


def test_a_faster_signal_that_is_no_ecg_does_not_decide_the_rate(tmp_path: Path) -> None:
    found = open_edf(str(write(tmp_path / "x.edf", {"EEG Fpz": 256, "ECG": 128, "V1": 128})))
    assert (found.fs, found.leads, found.samples) == (128, ["ECG", "V1"], 1024)


def test_annotations_are_no_signal(tmp_path: Path) -> None:
    signal = edfio.EdfSignal(ecg(2, seconds=5, fs=200)[1].astype(float), 200, label="Lead II", physical_dimension="mV")
    note = edfio.EdfAnnotation(1.0, None, "Mustermann arrives")
    edfio.Edf([signal], annotations=[note]).write(tmp_path / "x.edf")
    found = open_edf(str(tmp_path / "x.edf"))
    assert found.leads == ["II"] and found.samples == 1000
    truth = edfio.read_edf(tmp_path / "x.edf").signals[0].data
    np.testing.assert_allclose(found.read(0, 1000)[0], truth, atol=1e-6)


@pytest.mark.parametrize(("start", "stop"), [(0, 1600), (150, 450), (199, 401), (250, 350), (1250, 1450), (5, 5)])
def test_gaps_of_a_discontinuous_file_are_nan(tmp_path: Path, start: int, stop: int) -> None:
    whole = discontinuous(tmp_path / "x.edf", {0: 0, 1: 1, 2: 4, 3: 5.5, 4: 7})
    found = open_edf(str(tmp_path / "x.edf"))
    truth = np.full(1600, np.nan)
    for record, second in enumerate((0, 1, 4, 5.5, 7)):
        truth[int(200 * second) : int(200 * second) + 200] = whole[200 * record : 200 * record + 200]
    assert found.samples == 1600
    np.testing.assert_allclose(found.read(start, stop)[0], truth[start:stop], atol=1e-6)


@pytest.mark.parametrize("onsets", [{1: 0.5}, {1: "x"}, {1: "nan"}, {4: 9e6}])
def test_a_clock_that_cannot_be_is_refused(tmp_path: Path, onsets: dict[int, float | str]) -> None:
    discontinuous(tmp_path / "x.edf", {0: 0, 1: 1, 2: 2, 3: 3, 4: 4} | onsets)
    with pytest.raises(FormatError, match="EDF\\+D"):
        open_edf(str(tmp_path / "x.edf"))


def discontinuous(path: Path, onsets: dict[int, float | str]) -> np.ndarray:
    """An EDF+D file of one-second data records at these times, and the values of all records in a row."""
    signal = edfio.EdfSignal(
        ecg(3, seconds=5, fs=200)[1].astype(float), 200, label="II", physical_dimension="mV", physical_range=(-5, 5)
    )
    edfio.Edf([signal], annotations=[edfio.EdfAnnotation(0.1, None, "x")], data_record_duration=1).write(path)
    whole = edfio.read_edf(path).signals[0].data.copy()
    raw = bytearray(path.read_bytes())
    raw[192:197] = b"EDF+D"
    start = int(raw[184:192])
    size = (len(raw) - start) // 5
    for record, onset in onsets.items():
        # The clock is the last signal; its stretch of every record is filled up with zeros.
        text = f"+{onset}\x14\x14\0".encode()
        at = start + record * size + 400
        raw[at : start + (record + 1) * size] = text[: size - 400].ljust(size - 400, b"\0")
    path.write_bytes(raw)
    return whole


@pytest.mark.parametrize(
    ("ranges", "baseline"), [((-2048, 2047, -5120.0, 5117.5), 0), ((-32768, 32767, -5.0, 5.0), None)]
)
def test_counts_come_where_their_zero_is_a_whole_number(
    tmp_path: Path, ranges: tuple[int, int, float, float], baseline: int | None
) -> None:
    signal = edfio.EdfSignal(
        ecg(1, seconds=4, fs=250)[1].astype(float),
        250,
        label="II",
        physical_dimension="uV",
        physical_range=ranges[2:],
        digital_range=ranges[:2],
    )
    edfio.Edf([signal]).write(tmp_path / "x.edf")
    found = open_edf(str(tmp_path / "x.edf"))
    np.testing.assert_allclose(found.adc_range, [[ranges[2] / 1000, ranges[3] / 1000]])
    if baseline is None:
        assert found.read_digital is None and found.gain is None and found.baseline is None
        return
    assert found.baseline == [baseline]
    physical = (found.read_digital(10, 700) - baseline) / found.gain[0]
    np.testing.assert_allclose(physical, found.read(10, 700), atol=1e-6)


def test_an_unnamed_unit_stays_unknown(tmp_path: Path) -> None:
    assert open_edf(str(write(tmp_path / "x.edf", unit=""))).units == ["unknown", "unknown"]


@pytest.mark.parametrize("size", [0, 100, 256, 700, 768])
def test_a_file_cut_short_says_so(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "x.edf")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FormatError) as caught:
        open_edf(str(path))
    assert "Mustermann" not in str(caught.value)


def test_fewer_data_records_than_the_header_says_is_truncation(tmp_path: Path) -> None:
    path = write(tmp_path / "x.edf")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(FormatError, match="promises"):
        ecg_found = open_edf(str(path))
        ecg_found.read(0, ecg_found.samples)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.integers(0, 767), st.binary(min_size=1, max_size=8))
def test_a_damaged_header_never_crashes(tmp_path: Path, place: int, junk: bytes) -> None:
    path = tmp_path / "x.edf"
    if not path.exists():
        write(path)
        (tmp_path / "good").write_bytes(path.read_bytes())
    raw = bytearray((tmp_path / "good").read_bytes())
    raw[place : place + len(junk)] = junk
    path.write_bytes(raw)
    try:
        found = open_edf(str(path))
        found.read(0, found.samples)
    except FormatError:
        return
    assert found.samples > 0

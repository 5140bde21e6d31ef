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


def test_signals_at_other_rates_are_left_out_and_counted(tmp_path: Path) -> None:
    found = open_edf(str(write(tmp_path / "x.edf", {"ECG II": 256, "Resp": 32})))
    assert found.leads == ["II"] and found.said == {"signals_at_other_rates": 1}


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

"""DICOM waveforms read as pydicom reads them, and damage is one clear line."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.waveforms import multiplex_array

from medpipe.formats.dicom_waveform import open_dicom_waveform
from medpipe.formats.errors import FormatError
from medpipe.formats.leads import STANDARD_12

REAL = get_testdata_file("waveform_ecg.dcm")


def test_the_real_recording_is_read_as_pydicom_reads_it() -> None:
    found = open_dicom_waveform(REAL)
    data = pydicom.dcmread(REAL)
    assert [one.said for one in found] == [{"group": "rhythm"}, {"group": "median beat"}]
    for index, one in enumerate(found):
        assert one.leads == list(STANDARD_12) and one.units == ["mV"] * 12 and one.fs == 1000
        truth = multiplex_array(data, index, as_raw=False).T / 1000
        np.testing.assert_allclose(one.read(0, one.samples), truth, atol=1e-6)
        np.testing.assert_allclose(one.read(100, 300), truth[:, 100:300], atol=1e-6)


def changed(tmp_path: Path, change: object) -> str:
    data = pydicom.dcmread(REAL)
    del data.WaveformSequence[1]
    change(data, data.WaveformSequence[0])
    path = tmp_path / "x.dcm"
    data.save_as(path)
    return str(path)


def test_counts_and_gain_are_the_physical_values(tmp_path: Path) -> None:
    def baseline(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        group.ChannelDefinitionSequence[3].ChannelBaseline = "12.5"

    found = open_dicom_waveform(changed(tmp_path, baseline))[0]
    counts = found.read_digital(0, 500)
    physical = (counts - np.array(found.baseline)[:, None]) / np.array(found.gain)[:, None]
    np.testing.assert_allclose(physical, found.read(0, 500), atol=1e-6)
    assert found.baseline[3] == -10


def test_padding_is_nan(tmp_path: Path) -> None:
    def pad(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        raw = np.frombuffer(group.WaveformData, "<i2").copy()
        raw[: 12 * 50] = -32768
        group.WaveformData = raw.tobytes()
        group.add_new("WaveformPaddingValue", "OW", b"\x00\x80")

    found = open_dicom_waveform(changed(tmp_path, pad))[0]
    assert np.isnan(found.read(0, 60)).sum() == 12 * 50


def test_mdc_codes_name_leads_and_no_sensitivity_means_no_unit(tmp_path: Path) -> None:
    def rename(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        group.ChannelDefinitionSequence[0].ChannelSourceSequence[0].CodeValue = "MDC_ECG_LEAD_V3R"
        for channel in group.ChannelDefinitionSequence:
            del channel.ChannelSensitivity

    found = open_dicom_waveform(changed(tmp_path, rename))[0]
    assert found.leads[0] == "V3R" and found.units == ["unknown"] * 12 and "units" in found.said


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data, group: setattr(group, "WaveformData", b"\0" * 99), "truncated"),
        (lambda data, group: setattr(group, "SamplingFrequency", "0"), "bad-rate"),
        (lambda data, group: setattr(group, "NumberOfWaveformSamples", 0), "empty"),
        (lambda data, group: delattr(group, "ChannelDefinitionSequence"), "bad-header"),
        (lambda data, group: delattr(data, "WaveformSequence"), "not-an-ecg"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: object, kind: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_dicom_waveform(changed(tmp_path, change))
    assert caught.value.kind == kind


def test_an_image_is_no_ecg() -> None:
    with pytest.raises(FormatError, match="image"):
        open_dicom_waveform(get_testdata_file("CT_small.dcm"))


def test_big_endian_samples_are_turned(tmp_path: Path) -> None:
    def turn(data: pydicom.Dataset, group: pydicom.Dataset) -> None:
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
        group.WaveformData = np.frombuffer(group.WaveformData, "<i2").astype(">i2").tobytes()

    assert pydicom.dcmread(REAL).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    data = pydicom.dcmread(REAL)
    turn(data, data.WaveformSequence[0])
    path = tmp_path / "x.dcm"
    pydicom.filewriter.dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)
    truth = open_dicom_waveform(REAL)[0].read(0, 1000)
    np.testing.assert_array_equal(open_dicom_waveform(str(path))[0].read(0, 1000), truth)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(0, 6000), st.binary(min_size=1, max_size=6), st.booleans())
def test_a_damaged_file_never_crashes(tmp_path: Path, place: int, junk: bytes, cut: bool) -> None:
    raw = bytearray(Path(REAL).read_bytes()[:60_000] if cut else Path(REAL).read_bytes())
    raw[place : place + len(junk)] = junk
    path = tmp_path / "x.dcm"
    path.write_bytes(raw)
    try:
        for one in open_dicom_waveform(str(path)):
            one.read(0, one.samples)
    except FormatError:
        return
    assert not cut

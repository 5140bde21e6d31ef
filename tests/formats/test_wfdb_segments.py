from pathlib import Path

import numpy as np
import pytest
import wfdb

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_record import open_wfdb
from medpipe.formats.wfdb_write import write_wfdb


def segment(folder, name, leads, samples, seed, *, gain="200(3)/mV", number=16):
    counts = np.random.default_rng(seed).integers(-2000, 2000, (samples, len(leads)))
    dtype = {16: "<i2", 61: ">i2"}[number]
    (folder / f"{name}.dat").write_bytes(counts.astype(dtype).tobytes())
    lines = [f"{name} {len(leads)} 250 {samples}", *(f"{name}.dat {number} {gain} 12 0 0 0 0 {lead}" for lead in leads)]
    (folder / f"{name}.hea").write_text("\n".join(lines))


def fixed(folder):
    segment(folder, "m_1", ["I", "II"], 100, 1)
    segment(folder, "m_2", ["I", "II"], 50, 2)
    (folder / "m.hea").write_text("m/2 2 250 150\nm_1 100\nm_2 50\n# age: 5\n")
    return folder / "m"


def variable(folder, gain="200(3)/mV"):
    layout = [f"~ 0 1/mV 0 0 0 0 0 {lead}" for lead in ("II", "V1", "ABP")]
    (folder / "v_layout.hea").write_text("\n".join(["v_layout 3 250 0", *layout]))
    segment(folder, "v_1", ["V1", "II"], 100, 1)
    segment(folder, "v_2", ["II", "ABP"], 60, 2, gain=gain, number=61)
    (folder / "v.hea").write_text("v/4 3 250 200\nv_layout 0\nv_1 100\n~ 40\nv_2 60\n")
    return folder / "v"


@pytest.mark.parametrize("make", [fixed, variable])
def test_segments_read_as_wfdb_reads_them_in_every_window(tmp_path, make):
    path = make(tmp_path)
    ecg = open_wfdb(str(path))
    for start, stop in [(0, ecg.samples), (0, 10), (90, 120), (99, 101), (100, 140), (100, 101), (130, 150), (20, 145)]:
        expected, _ = wfdb.rdsamp(str(path), sampfrom=start, sampto=stop)
        np.testing.assert_allclose(ecg.read(start, stop), expected.T, rtol=1e-6, atol=1e-7)


def test_what_the_segments_say_is_put_together(tmp_path):
    ecg = open_wfdb(str(fixed(tmp_path)))
    assert (ecg.leads, ecg.units, ecg.gain, ecg.baseline) == (["I", "II"], ["mV", "mV"], [200.0] * 2, [3, 3])
    assert ecg.said["segments"] == {"count": 2, "samples_in_no_segment": 0}
    assert ecg.headers["age"] == "5"
    digital = ecg.read_digital(0, 150)
    np.testing.assert_allclose((digital - 3) / 200, ecg.read(0, 150), rtol=1e-6)


def test_gaps_and_absent_leads_are_the_lowest_count(tmp_path):
    ecg = open_wfdb(str(variable(tmp_path)))
    absent = ecg.read_digital(0, 200) == np.iinfo(np.int32).min
    np.testing.assert_array_equal(absent, np.isnan(ecg.read(0, 200)))
    assert absent[:, 100:140].all()
    assert ecg.said["segments"]["samples_in_no_segment"] == 40


def test_a_gain_that_changes_leaves_only_physical_values(tmp_path):
    path = variable(tmp_path, gain="100(3)/uV")
    ecg = open_wfdb(str(path))
    assert (ecg.read_digital, ecg.gain) == (None, None)
    expected, _ = wfdb.rdsamp(str(path), sampfrom=140)
    np.testing.assert_allclose(ecg.read(140, 200), expected.T * 1e-3, rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("m_2 50", "m_3 50", "missing-file"), ("m_2 50", "m_2 51", "bad-header"), ("m/2 2", "m/3 2", "bad-header"),
        ("m/2 2", "m/2 3", "bad-header"), ("2 250", "2 500", "bad-header"), ("m_2 50", "../m_2 50", "bad-header"),
        ("m_2 50", "m 50", "bad-header"), ("250 150", "250 0", "empty"),
    ],
)  # fmt: skip
def test_segments_that_do_not_fit_are_refused(tmp_path, old, new, kind):
    header = fixed(tmp_path).with_suffix(".hea")
    header.write_text(header.read_text().replace(old, new))
    with pytest.raises(FormatError) as caught:
        open_wfdb(str(header))
    assert caught.value.kind == kind


def test_a_layout_alone_holds_no_samples(tmp_path):
    variable(tmp_path)
    with pytest.raises(FormatError, match="zero samples"):
        open_wfdb(str(tmp_path / "v_layout.hea"))


def test_a_fixed_layout_whose_segments_have_other_leads_is_refused(tmp_path: Path) -> None:
    for name, leads in (("a", ["I", "II"]), ("b", ["II", "V1"])):
        write_wfdb(tmp_path, name, np.ones((2, 100), np.float32), 100.0, leads, ["mV"] * 2)
    (tmp_path / "m.hea").write_text("m/2 2 100 200\na 100\nb 100\n")
    with pytest.raises(FormatError) as caught:
        open_wfdb(str(tmp_path / "m.hea"))
    assert caught.value.kind == "bad-header" and "other leads" in str(caught.value)

import tempfile
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medpipe.formats.errors import FormatError
from medpipe.formats.wfdb_record import open_wfdb
from medpipe.formats.wfdb_write import write_wfdb

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 40))
VALUES = st.one_of(st.floats(-5, 5, width=32), st.floats(-1e6, 1e6), st.just(float("nan")), st.just(0.0))


def written(values, **more):
    """The values as this package and wfdb read them back, with the gain."""
    leads = [f"V{row + 1}" for row in range(len(values if values is not None else more["digital"]))]
    units = more.pop("units", ["mV"] * len(leads))
    with tempfile.TemporaryDirectory() as folder:
        write_wfdb(Path(folder), "r", values, 500.0, leads, units, **more)
        assert sorted(path.name for path in Path(folder).iterdir()) == ["r.dat", "r.hea"]
        ecg = open_wfdb(f"{folder}/r.hea")
        assert ecg.leads == leads
        assert "checksum" not in ecg.said
        record = wfdb.rdrecord(f"{folder}/r")
        assert record.fmt[0] in {"16", "32"}
        raw = wfdb.rdrecord(f"{folder}/r", physical=False).d_signal
        assert record.init_value == raw[0].tolist()
        return ecg.read(0, ecg.samples), ecg.read_digital(0, ecg.samples), record.p_signal.T, np.array(ecg.gain)


@given(arrays.arrays(np.float64, SHAPES, elements=VALUES))
@settings(max_examples=60, deadline=None)
def test_values_come_back_within_half_a_count(values):
    ours, _, theirs, gain = written(values)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(values))
    limit = np.broadcast_to(0.5000001 / gain[:, None] + 1e-12, values.shape)
    there = ~np.isnan(values)
    assert (np.abs(theirs - values)[there] <= limit[there]).all()
    assert (np.abs(ours - values)[there] <= (limit + 1e-7 * np.abs(values))[there]).all()


COUNTS = st.one_of(st.integers(-32767, 32767), st.integers(-(2**31), 2**31 - 1))


@given(arrays.arrays(np.int32, SHAPES, elements=COUNTS))
@settings(max_examples=60, deadline=None)
def test_counts_come_back_exactly(counts):
    rows = len(counts)
    _, digital, _, gain = written(None, digital=counts, gain=[417.3] * rows, baseline=[-9] * rows)
    np.testing.assert_array_equal(digital, counts)
    assert (gain == 417.3).all()


def test_the_lowest_count_of_16_bits_is_an_absent_sample():
    ours, digital, _, _ = written(None, digital=np.array([[-32768, 5]], np.int16), gain=[1.0])
    assert np.isnan(ours[0, 0])
    assert digital.tolist() == [[np.iinfo(np.int32).min, 5]]


def test_microvolt_steps_of_a_database_are_kept_as_they_are():
    counts = np.random.default_rng(0).integers(-3000, 3000, (12, 500))
    _, digital, _, gain = written((counts / 1000).astype(np.float32))
    np.testing.assert_array_equal(digital, counts)
    assert set(gain) == {1000.0}


def test_a_peak_does_not_reach_full_scale():
    values = np.sin(np.arange(500) / 9.7)[None] * 3.3
    _, digital, _, gain = written(values)
    assert gain[0] > 1000
    assert np.abs(digital).max() <= 32000


def test_a_range_too_wide_for_microvolts_takes_32_bits():
    values = np.array([[1000.0, 0.0001, -3.3]])
    _, digital, theirs, gain = written(values)
    assert np.abs(digital).max() > 2**16
    np.testing.assert_allclose(theirs, values, atol=0.5 / gain[0])


def test_odd_names_and_units_keep_the_header_readable(tmp_path):
    write_wfdb(tmp_path, "r", np.ones((2, 3)), 128.5, ["a\nb  c", ""], ["\u00b5V", "beats per min"])
    ecg = open_wfdb(str(tmp_path / "r"))
    assert (ecg.fs, ecg.leads, ecg.units) == (128.5, ["a b c", "signal 1"], ["mV", "beats_per_min"])
    np.testing.assert_allclose(ecg.read(0, 3), [[1e-3] * 3, [1] * 3], rtol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"name": "../r"}, {"name": "a b"}, {"signal": np.ones((2, 0))}, {"signal": np.ones(3)}, {"fs": 0.0},
        {"signal": np.array([[np.inf], [0]])}, {"gain": [0.0, 1.0]}, {"gain": [1.0]}, {"gain": [1e12, 1.0]},
        {"digital": np.ones((2, 3), np.int32)}, {"digital": np.ones((2, 3)), "gain": [1.0, 1.0]},
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, more):
    given = {"name": "r", "signal": np.ones((2, 3)), "fs": 500.0, "leads": ["I", "II"], "units": ["mV", "mV"]} | more
    with pytest.raises(FormatError):
        write_wfdb(tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spread", [0.5, 40.0])
def test_pieces_of_a_long_recording_make_the_same_files(tmp_path: Path, monkeypatch, spread: float) -> None:
    signal = np.random.default_rng(0).normal(0, spread, (3, 5000))
    signal[1, 100:300] = np.nan
    for name, size in (("whole", 1 << 21), ("parts", 999)):
        monkeypatch.setattr("medpipe.formats.wfdb_write._BLOCK", size)
        (tmp_path / name).mkdir()
        write_wfdb(tmp_path / name, "r", signal, 250, ["I", "II", "V1"], ["mV", "mV", "NU"])
    for suffix in (".dat", ".hea"):
        assert (tmp_path / f"whole/r{suffix}").read_bytes() == (tmp_path / f"parts/r{suffix}").read_bytes()

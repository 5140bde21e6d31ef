"""Tables: the header names leads and units, the rate is given or told by the times."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medpipe.formats.ecg_csv import open_csv
from medpipe.formats.errors import FormatError


def written(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_leads_units_and_gaps(tmp_path: Path) -> None:
    found = open_csv(written(tmp_path, '\ufeffI (uV);"V1 [mV]";aux\r\n100;0.5;1\r\n;nan;2\r\n\r\n'), 250.0)
    assert (found.leads, found.units, found.fs) == (["I", "V1", "aux"], ["mV", "mV", "unknown"], 250)
    np.testing.assert_allclose(found.read(0, 2), [[0.1, np.nan], [0.5, np.nan], [1, 2]])


@pytest.mark.parametrize(("name", "step"), [("time", 0.004), ("ms", 4), ("t [ms]", 4)])
def test_a_column_of_times_gives_the_rate(tmp_path: Path, name: str, step: float) -> None:
    rows = "\n".join(f"{round(k * step, 6)}\t{k}" for k in range(500))
    found = open_csv(written(tmp_path, f"{name}\tlead_ii\n{rows}\n"), None)
    assert (found.fs, found.leads, found.samples) == (250, ["II"], 500)


def test_one_lead_alone(tmp_path: Path) -> None:
    found = open_csv(written(tmp_path, "II\n" + "\n".join(map(str, range(9)))), 100.0)
    np.testing.assert_array_equal(found.read(2, 5), [[2, 3, 4]])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I,II\n1,2\n", "no-rate"),
        ("time,I\n0,1\n1,2\n1.5,3\n", "no-rate"),
        ("time,I\n0,1\n0,2\n", "no-rate"),
        ("", "bad-header"),
        ("I,II\n", "empty"),
        ("1,2\n3,4\n", "bad-header"),
        ("time\n0\n1\n", "empty"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, kind: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_csv(written(tmp_path, text), None)
    assert caught.value.kind == kind


@pytest.mark.parametrize("text", ["I,II\n1,2\n3,Meier\n", "I,II\n1,2\n3\n"])
def test_a_bad_cell_is_placed_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError, match="row 3") as caught:
        open_csv(written(tmp_path, text), 100.0)
    assert "Meier" not in str(caught.value)


def test_absent_cells_keep_their_place(tmp_path: Path) -> None:
    text = 'I,II,III\n1,,3\n, ,-\nNA,null,"7"\n"",n/a,NaN\n'
    nan = np.nan
    found = open_csv(written(tmp_path, text), 100.0).read(0, 4)
    np.testing.assert_array_equal(found, [[1, nan, nan, nan], [nan, nan, nan, nan], [3, nan, 7, nan]])
    alone = open_csv(written(tmp_path, "II\r\n1\r\n\r\n3\r\n\r\n"), 100.0)
    np.testing.assert_array_equal(alone.read(0, alone.samples), [[1, nan, 3]])


@pytest.mark.parametrize(("digits", "fs"), [(6, 128.0), (6, 360.0), (9, 257.13), (4, 500.0)])
def test_a_rate_is_rounded_no_further_than_the_digits_of_the_times(tmp_path: Path, digits: int, fs: float) -> None:
    rows = "".join(f"{1700000000 + k / fs:.{digits}f};{k}\n" for k in range(2000))
    assert open_csv(written(tmp_path, f"time;I\n{rows}"), None).fs == pytest.approx(fs, abs=1e-2 if fs % 1 else 0)


def test_a_given_rate_goes_before_the_times(tmp_path: Path) -> None:
    found = open_csv(written(tmp_path, "time,I\n0,1\n1,2\n7,3\n"), 125.0)
    assert (found.fs, found.leads) == (125, ["I"])


def test_times_in_a_unit_that_is_not_known_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        open_csv(written(tmp_path, "time [min],I\n0,1\n1,2\n"), None)
    assert caught.value.kind == "no-rate"


@pytest.mark.parametrize("text", ["I,II\n1,2\n3,1_000\n", "I,II\n1,2\n3,\u0664\n", "I\rII\r1", '"I,II\n1,2\n'])
def test_what_only_looks_like_a_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError):
        open_csv(written(tmp_path, text), 100.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(st.text(alphabet='I,;\t\n\r" 0123.-eEnan()[]uV_\ufefftime', max_size=60), st.sampled_from([None, 100.0]))
def test_near_tables_never_crash(tmp_path: Path, text: str, fs: float | None) -> None:
    try:
        found = open_csv(written(tmp_path, text), fs)
    except FormatError:
        return
    assert found.read(0, found.samples).shape == (len(found.leads), found.samples) and found.fs > 0


@pytest.mark.parametrize("rows", ["1\t\n\t2\n\t\n", "\t\n1\t\n\t2\n", "\t2\n1\t"])
def test_rows_of_tabs_are_rows_of_empty_cells(tmp_path: Path, rows: str) -> None:
    found = open_csv(written(tmp_path, f"I\tII\n{rows}"), 100.0)
    read = found.read(0, found.samples)
    assert read.shape == (2, rows.strip("\n").count("\n") + 1) and np.isfinite(read).sum() == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(width=32)),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read(tmp_path: Path, values: np.ndarray, separator: str, end: str) -> None:
    rows = [[f"lead {k}" for k in range(values.shape[1])]]
    rows += [["" if np.isnan(one) else repr(float(one)) for one in row] for row in values]
    text = end.join(separator.join(row) for row in rows)
    # Blank rows at the end are no samples.
    last = np.flatnonzero(~np.isnan(values).all(axis=1)).max(initial=-1) + 1 if values.shape[1] == 1 else len(values)
    if last == 0:
        return
    found = open_csv(written(tmp_path, text), 100.0)
    np.testing.assert_array_equal(found.read(0, found.samples), values[:last].T)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80))
def test_garbage_never_crashes(tmp_path: Path, raw: bytes) -> None:
    try:
        found = open_csv(written(tmp_path, raw), 100.0)
    except FormatError:
        return
    assert found.read(0, found.samples).shape == (len(found.leads), found.samples)

"""Tables: the header names leads and units, the rate is given or told by the times."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80))
def test_garbage_never_crashes(tmp_path: Path, raw: bytes) -> None:
    try:
        found = open_csv(written(tmp_path, raw), 100.0)
    except FormatError:
        return
    assert found.read(0, found.samples).shape == (len(found.leads), found.samples)

"""HDF5 holds the same records as JSON Lines, and says so when a file is not one of ours."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medpipe.formats.errors import FormatError
from medpipe.formats.hdf5 import close_files, count_records, iterate_ids, read_record
from medpipe.formats.hdf5_write import assemble, split
from medpipe.formats.jsonl import decode, encode

SHAPES = st.sampled_from([(2, 3), (2, 3), (2, 5), (0,), (4,)])
ARRAYS = st.tuples(st.sampled_from(["<f4", "<f4", "<i2"]), SHAPES).flatmap(lambda one: hnp.arrays(*one))
RECORDS = st.lists(
    st.fixed_dictionaries({"n": st.integers(0, 9)}, optional={"signal": ARRAYS, "embedding": ARRAYS}), max_size=6
)


def write(path: Path, records: list[dict]) -> Path:
    pieces = [split(record) for record in records]
    blobs = path.with_suffix(".blobs")
    blobs.write_bytes(b"".join(blob for _, found in pieces for blob in found))
    close_files()
    with blobs.open("rb") as stream:
        assemble(lambda: [line for line, _ in pieces], stream, path, {"medpipe": "test"})
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(RECORDS)
def test_the_same_records_come_out_as_from_lines(tmp_path: Path, records: list[dict]) -> None:
    records = [{"id": f"r{number}", **record} for number, record in enumerate(records)]
    path = write(tmp_path / "x.h5", records)
    back = [read_record(str(path), row) for row in range(count_records(str(path)))]
    assert [encode(one) for one in back] == [encode(decode(encode(one))) for one in records]
    assert list(iterate_ids(str(path))) == [one["id"] for one in records]


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    records = [{"id": str(n), "x": np.full((2, 2), n, "<f4")} for n in range(700)]
    assert write(tmp_path / "a.h5", records).read_bytes() == write(tmp_path / "b.h5", records).read_bytes()


def test_part_of_a_row_is_read_without_the_rest(tmp_path: Path) -> None:
    ragged = [{"id": str(n), "x": np.arange(2 * (n + 3), dtype="<f4").reshape(2, -1)} for n in range(3)]
    path = write(tmp_path / "x.h5", ragged)
    for row, record in enumerate(ragged):
        lazy = read_record(str(path), row)["x"]
        np.testing.assert_array_equal(lazy.read(1, 3), record["x"][:, 1:3])
        np.testing.assert_array_equal(lazy.read(), record["x"])


@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.create_dataset("signal", data=[1.0]),
        lambda file: file.attrs.update({"medpipe_format": 2}),
        lambda file: file.attrs.update({"medpipe_format": 1}),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, make: object) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(FormatError, match="HDF5"):
        count_records(str(path))


def test_a_link_into_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.h5", [{"id": "a", "x": np.ones(2, "<f4")}])
    path = write(tmp_path / "x.h5", [{"id": "a", "x": np.ones(2, "<f4")}])
    close_files()
    with h5py.File(path, "r+") as file:
        del file["x"]
        file["x"] = h5py.ExternalLink(str(secret), "/x")
    with pytest.raises(FormatError):
        read_record(str(path), 0)["x"].read()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", [{"id": "a", "x": np.ones((3, 400), "<f4")}])
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FormatError):
        count_records(str(path))

"""Lines round-trip: every dtype, every shape, every odd value, and what is damaged says so."""

import io

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import decode, encode, read_id, read_lines

DTYPES = st.sampled_from(["<f4", "<f8", "<i2", "<i4", "<i8", "|u1", "|b1", ">f4", "<c8"])
ARRAYS = DTYPES.flatmap(lambda d: hnp.arrays(np.dtype(d), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(ARRAYS, TEXTS, PLAIN)
def test_a_record_comes_back_as_it_was(array: np.ndarray, ident: str, extra: object) -> None:
    record = decode(encode({"id": ident, "signal": array, "extra": extra}))
    assert record["id"] == ident and record["extra"] == extra
    back = record["signal"]
    assert back.shape == array.shape and back.dtype == array.dtype.newbyteorder("<")
    assert back.tobytes() == array.astype(back.dtype).tobytes()


@given(TEXTS, st.dictionaries(st.sampled_from(["b64", "dtype", "shape", "h5"]), TEXTS | PLAIN, max_size=4))
def test_objects_that_resemble_arrays_never_crash(ident: str, odd: dict) -> None:
    line = orjson.dumps({"id": ident, "x": odd, "list": [odd]}) + b"\n"
    try:
        record = decode(line)
    except FormatError:
        return
    assert record["list"] == [odd]


@given(st.binary(max_size=60))
def test_garbage_is_one_kind_of_error(raw: bytes) -> None:
    try:
        assert isinstance(decode(raw), dict)
    except FormatError as error:
        assert error.kind in ("bad-json", "bad-array")


def test_nan_survives_in_arrays_and_is_null_elsewhere() -> None:
    line = encode({"id": "a", "x": np.array([np.nan, 1], "<f4"), "y": float("nan"), "z": np.float32(2)})
    record = decode(line)
    assert np.isnan(record["x"][0]) and record["y"] is None and record["z"] == 2


def test_an_array_above_64_mib_names_the_ways_out() -> None:
    with pytest.raises(FormatError, match=r"--refs.*--segment"):
        encode({"id": "a", "x": np.zeros(2**24 + 1, "<f4")})


@pytest.mark.parametrize(
    "spec",
    [
        {"dtype": "O", "shape": [1], "b64": ""},
        {"dtype": "<f4", "shape": [-1], "b64": ""},
        {"dtype": "<f4", "shape": [2], "b64": "AAAA"},
        {"dtype": "<f4", "shape": [1], "b64": "?"},
        {"dtype": "<f4", "shape": [True], "b64": ""},
        {"dtype": "<f4", "shape": [2**60], "b64": ""},
        {"dtype": "<f4", "shape": [1], "h5": "x", "dataset": "/x", "row": -1},
    ],
)
def test_a_damaged_array_is_refused(spec: dict) -> None:
    with pytest.raises(FormatError):
        decode(orjson.dumps({"id": "a", "x": spec}))


def test_lines_pass_over_blanks_and_a_byte_order_mark() -> None:
    stream = io.BufferedReader(io.BytesIO(b'\xef\xbb\xbf{"id":"a"}\r\n\n{"id":"b"}'))
    assert [(number, decode(line)["id"]) for number, line in read_lines(stream)] == [(1, "a"), (3, "b")]


@pytest.mark.parametrize(("line", "ident"), [(b'{"id":"a/b","x":1}', "a/b"), (b'{"x":1,"id":"a"}', None)])
def test_an_id_that_stands_first_is_read_without_parsing(line: bytes, ident: str | None) -> None:
    assert read_id(line) == ident
